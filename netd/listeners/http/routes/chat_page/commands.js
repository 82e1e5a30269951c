// The commands that begin with a slash.
import { isChannel } from "./irc.js";

/**
 * @typedef {{model: import("./model.js").Model, view: import("./view.js").View,
 *   conversation: import("./conversation.js").Conversation}} Context
 * @typedef {{help: string, run: (context: Context, words: string[], rest: string) => unknown}} Command
 */

const KEYS = "Keys: Ctrl-K go to a conversation, Alt-Up and Alt-Down the ones beside it, Alt-A the next unread, " +
  "Tab complete, Up what you wrote before, Shift-Enter a new line, Shift-Tab and Up a message to reply to";

/** @type {Record<string, Command>} */
export const COMMANDS = {
  away: { help: " [reason]: be shown as away", run: ({ model }, _, rest) => model.link.send("AWAY", rest || "away") },
  back: { help: ": be shown as present again", run: ({ model }) => model.link.send("AWAY") },
  clear: {
    help: ": empty the view of this conversation",
    run: ({ view, conversation }) => {
      conversation.lines = [];
      view.onLines(conversation);
    },
  },
  help: {
    help: ": this list",
    run: ({ model, conversation }) => {
      for (const [name, command] of Object.entries(COMMANDS))
        model.note(conversation, `/${name}${command.help}`);
      model.note(conversation, KEYS);
    },
  },
  invite: {
    help: " nick: invite to this channel",
    run: ({ model, conversation }, [nick = ""]) => model.link.send("INVITE", nick, conversation.name),
  },
  join: {
    help: " channel: enter a channel",
    run: ({ view }, [name = ""]) => name && view.enter(isChannel(name) ? name : `#${name}`),
  },
  kick: {
    help: " nick [reason]: remove from this channel",
    run: ({ model, conversation }, [nick = "", ...reason]) => model.link.send("KICK", conversation.name, nick, reason.join(" ")),
  },
  list: { help: ": all channels", run: ({ model }) => model.link.send("LIST") },
  me: { help: " text: say what you do, as in /me waves", run: ({ model, conversation }, _, rest) => rest && model.outbox.act(conversation, rest) },
  msg: {
    help: " nick text: say something in private",
    run: ({ model, view }, [nick = "", ...words]) => {
      view.show(nick);
      if (words.length) model.outbox.say(model.open(nick), words.join(" "));
    },
  },
  nick: { help: " nick: change your nick", run: ({ model }, [nick = ""]) => model.link.send("NICK", nick) },
  part: {
    help: " [reason]: leave this conversation",
    run: ({ model, conversation }, _, rest) => {
      if (conversation.isJoined) model.link.send("PART", conversation.name, ...(rest ? [rest] : []));
      else model.forget(conversation);
    },
  },
  quit: { help: " [reason]: disconnect", run: ({ model }, _, rest) => model.link.close(rest || "bye") },
  raw: { help: " line: send a line of IRC", run: ({ model }, _, rest) => model.link.sendRaw(rest) },
  search: {
    help: " words: find what was said here",
    run: ({ model, conversation }, _, rest) => {
      const words = rest.replace(/[\\; ]/g, (c) => ({ "\\": "\\\\", ";": "\\:" })[c] ?? "\\s");
      model.link.send("SEARCH", `text=${words}${conversation.name && `;in=${conversation.name}`}`);
    },
  },
  topic: {
    help: " [text]: show or set the topic",
    run: ({ model, conversation }, _, rest) => model.link.send("TOPIC", conversation.name, ...(rest ? [rest] : [])),
  },
  whois: { help: " nick: who is this?", run: ({ model }, [nick = ""]) => model.link.send("WHOIS", nick) },
};

/**
 * Run what was typed after a slash; an unknown command goes to the server as it is.
 * @param {Context} context @param {string} text
 */
export function runCommand(context, text) {
  const [name = "", ...words] = text.split(" ").filter((word) => word);
  const rest = text.slice(text.indexOf(name) + name.length).trim();
  const command = COMMANDS[name.toLowerCase()];
  if (command) command.run(context, words, rest);
  else context.model.link.sendRaw(`${name.toUpperCase()} ${rest}`.trim());
}

/**
 * What the word before the cursor can be completed to.
 * @param {import("./model.js").Model} model @param {string} before
 */
export function completions(model, before) {
  const word = /\S*$/.exec(before)?.[0] ?? "";
  const isFirst = word.length === before.length;
  const lower = word.toLowerCase();
  /** @type {string[]} */
  let names = [];
  if (isFirst && word.startsWith("/")) names = Object.keys(COMMANDS).map((name) => `/${name}`);
  else if (word.startsWith("#")) names = model.sorted().flatMap(({ isChannel, name }) => (isChannel ? name : []));
  else if (word) {
    const spoke = model.current.lines.map((line) => line.nick).reverse();
    const here = [...model.current.people.values()].map((person) => person.nick);
    names = [...new Set([...spoke, ...here])].filter((nick) => nick && nick !== model.link.nick);
  }
  const end = isFirst && !/^[/#]/.test(word) ? ": " : " ";
  return names.filter((name) => name.toLowerCase().startsWith(lower)).map((name) => name + end);
}
