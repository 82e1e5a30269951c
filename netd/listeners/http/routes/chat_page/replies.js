// What is shown of the server's replies.

/**
 * Those with numbers and words in places of their own, as sentences.
 * @type {Record<string, (params: string[]) => string>}
 */
const SENTENCES = {
  311: ([, nick, user, host, , name]) => `${nick} is ${name} (${user}@${host})`,
  317: ([, nick, idle, since]) => `${nick} is idle for ${idle} s, here since ${new Date(Number(since) * 1000).toLocaleString()}`,
  319: ([, nick, channels]) => `${nick} is in ${channels}`,
  322: ([, channel, count, topic]) => `${channel} (${count}) ${topic}`,
  330: ([, nick, account]) => `${nick} is logged in as ${account}`,
  338: ([, nick, , address]) => `${nick} connects from ${address}`,
  372: ([, text = ""]) => text.replace(/^- /, ""),
};

/**
 * Whether a reply says nothing that the page does not show already.
 * @param {string} command
 */
export function isSilent(command) {
  return /^(00[234]|25\d|26[56]|31[258]|32[13]|329|333|35[24]|369|37[56]|903)$/.test(command);
}

/**
 * Whether a reply belongs to the server, and not to the conversation that is shown.
 * @param {string} command
 */
export function isOfServer(command) {
  return /^(372|396|422|900)$/.test(command);
}

/** @param {string} command a number, or FAIL, WARN or NOTE @param {string[]} params */
export function describe(command, params) {
  const last = params.at(-1) ?? "";
  const words = params.slice(1, -1).join(" ");
  const isBare = command.length > 3 || command === "900" || !words;
  return SENTENCES[command]?.(params) ?? (isBare ? last : `${words}${/^[45]/.test(command) ? ":" : ""} ${last}`);
}
