// The grammar of IRC with message tags, as pure functions.

/**
 * @typedef {{tags: Record<string, string>, source: string, nick: string, command: string, params: string[]}} Message
 */

/** @type {Record<string, string>} */
const ESCAPES = { ":": ";", s: " ", "\\": "\\", r: "\r", n: "\n" };
/** @type {Record<string, string>} */
const ESCAPED = { ";": "\\:", " ": "\\s", "\\": "\\\\", "\r": "\\r", "\n": "\\n" };

/** @param {string} line @returns {Message} */
export function parse(line) {
  /** @type {Record<string, string>} */
  const tags = {};
  if (line.startsWith("@")) {
    const end = (line.indexOf(" ") + 1 || line.length + 1) - 1;
    for (const tag of line.slice(1, end).split(";")) {
      const at = tag.indexOf("=");
      const value = at < 0 ? "" : tag.slice(at + 1);
      tags[at < 0 ? tag : tag.slice(0, at)] = value.replace(/\\(.?)/g, (_, c) => ESCAPES[c] ?? c);
    }
    line = line.slice(end + 1);
  }
  let source = "";
  if (line.startsWith(":")) {
    const end = line.indexOf(" ");
    source = line.slice(1, end);
    line = line.slice(end + 1);
  }
  const at = line.indexOf(" :");
  const words = (at < 0 ? line : line.slice(0, at)).split(" ").filter((word) => word);
  if (at >= 0) words.push(line.slice(at + 2));
  const [command = "", ...params] = words;
  return { tags, source, nick: source.split("!")[0] ?? "", command: command.toUpperCase(), params };
}

/**
 * @param {string} command @param {string[]} params @param {Record<string, string>} [tags]
 * @returns {string} a line without its ending
 */
export function format(command, params, tags = {}) {
  const pairs = Object.entries(tags).map(([name, value]) => {
    const escaped = value.replace(/[; \\\r\n]/g, (c) => ESCAPED[c] ?? c);
    return escaped ? `${name}=${escaped}` : name;
  });
  const words = params.map((word) => word.replace(/[\r\n\0]/g, " "));
  const last = words.length - 1;
  if (last >= 0 && /^$|^:| /.test(words[last] ?? "")) words[last] = `:${words[last]}`;
  return `${pairs.length ? `@${pairs.join(";")} ` : ""}${[command, ...words].join(" ")}`;
}

/**
 * The form of a name to compare (CASEMAPPING=ascii).
 * @param {string} name
 */
export function fold(name) {
  return name.replace(/[A-Z]/g, (c) => c.toLowerCase());
}

/** @param {string} name */
export function isChannel(name) {
  return name.startsWith("#");
}

/**
 * Pieces of at most so many bytes of UTF-8, cut at a space where there is one.
 * @param {string} text @param {number} maxBytes
 */
export function cutText(text, maxBytes) {
  const encoder = new TextEncoder();
  const pieces = [];
  let rest = text;
  while (encoder.encode(rest).length > maxBytes) {
    let size = 0;
    let end = 0;
    let space = 0;
    for (const char of rest) {
      size += encoder.encode(char).length;
      if (size > maxBytes) break;
      end += char.length;
      if (char === " ") space = end;
    }
    const cut = space > end / 2 ? space : end;
    pieces.push(rest.slice(0, cut));
    rest = rest.slice(cut);
  }
  pieces.push(rest);
  return pieces;
}

/**
 * A text as plain parts, links and names of channels, without the codes of colours and formats.
 * @param {string} text
 * @returns {{text: string, url?: string, channel?: string}[]}
 */
export function parts(text) {
  const plain = text.replace(/\x03(\d{1,2}(,\d{1,2})?)?|\x04([\da-f]{6})?|[\x00-\x08\x0b-\x1f\x7f]/gi, "");
  const found = [];
  let at = 0;
  for (const match of plain.matchAll(/\bhttps?:\/\/[^\s<>"'`]+|(?<![^\s(])#[^\s,:]{1,63}/gi)) {
    let url = (match[0] ?? "").replace(/[.,;:!?]+$/, "");
    if (url.endsWith(")") && !url.includes("(")) url = url.slice(0, -1);
    if (url === "#" || /^#\d+$/.test(url)) continue;
    const start = match.index ?? 0;
    if (start > at) found.push({ text: plain.slice(at, start) });
    found.push(isChannel(url) ? { text: url, channel: url } : { text: url, url });
    at = start + url.length;
  }
  if (at < plain.length) found.push({ text: plain.slice(at) });
  return found;
}

/**
 * Whether a text names a nick as a word of its own.
 * @param {string} text @param {string} nick
 */
export function mentions(text, nick) {
  if (!nick) return false;
  const escaped = nick.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(^|[^\\p{L}\\p{N}_-])${escaped}($|[^\\p{L}\\p{N}_-])`, "iu").test(text);
}
