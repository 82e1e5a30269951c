// What the user sees, without the document: the conversations, as the server's messages change them.
import { Batches } from "./batches.js";
import { Conversation, isSaid, makeLine, setReaction } from "./conversation.js";
import { History } from "./history.js";
import { fold, isChannel, mentions } from "./irc.js";
import { Outbox } from "./outbox.js";
import { describe, isOfServer, isSilent } from "./replies.js";

/**
 * @typedef {import("./conversation.js").Kind} Kind
 * @typedef {import("./conversation.js").Line} Line
 * @typedef {import("./irc.js").Message} Message
 *
 * @typedef {object} Watcher what is called when something has changed
 * @property {(conversation: Conversation, line: Line) => void} onLine
 * @property {(conversation: Conversation, line: Line) => void} onLineChanged
 * @property {(conversation: Conversation) => void} onLines
 * @property {(conversation: Conversation) => void} onOlder
 * @property {(conversation: Conversation) => void} onPeople
 * @property {(conversation: Conversation) => void} onTopic
 * @property {(conversation: Conversation) => void} onTyping
 * @property {(conversation: Conversation) => void} onShow
 * @property {(conversation: Conversation, line: Line) => void} onAlert
 * @property {(messages: Message[]) => void} onFound
 * @property {() => void} onList
 */

const TYPING_MS = 6000;
const PREFIXES = /^[~&@%+]+/;
export class Model {
  /** @param {import("./link.js").Link} link @param {Watcher} view */
  constructor(link, view) {
    this.link = link;
    this.view = view;
    this.outbox = new Outbox(link, view);
    this.history = new History(link, (...found) => this.onHistory(...found));
    /** @type {Map<string, Conversation>} */
    this.conversations = new Map();
    this.server = this.open("");
    this.current = this.server;
    this.isWatched = true; // whether the user sees the last line of the current conversation
    this.batches = new Batches({
      handle: (message) => this.handle(message),
      onFound: (messages) => view.onFound(messages),
      onHistory: (label, messages) => this.history.receive(label, messages),
    });
    /** @type {Set<string>} channels to show when they are entered */
    this.wanted = new Set();
    /** @type {string[] | null} the channels of the server, while they are listed for a first visit */
    this.listed = null;
    this.network = "";
    /** @type {Conversation | null} whose history is handled now */
    this.replayed = null;
    this.isOlder = false;
  }

  /** Whether the message that is handled has just been sent. */
  get isLive() {
    return !this.replayed;
  }

  /** @param {string} name */
  open(name) {
    const found = this.conversations.get(fold(name));
    if (found) return found;
    const made = new Conversation(name);
    this.conversations.set(made.key, made);
    this.view.onList();
    return made;
  }

  /** @param {Conversation} conversation */
  forget(conversation) {
    if (conversation === this.server) return;
    this.conversations.delete(conversation.key);
    if (conversation === this.current) this.view.onShow(this.server);
    this.view.onList();
  }

  /** All conversations in the order of the list: the server, channels, people. */
  sorted() {
    const rank = (/** @type {Conversation} */ one) => (one === this.server ? 0 : one.isChannel ? 1 : 2);
    const all = [...this.conversations.values()];
    return all.sort((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key));
  }

  joined() {
    return this.sorted().filter((conversation) => conversation.isJoined);
  }

  /** @param {Conversation} conversation */
  show(conversation) {
    this.current = conversation;
    if (!conversation.unread) conversation.mark = 0;
    if (this.isWatched) this.markRead(conversation);
    if (!conversation.isKnown && !conversation.isChannel) this.history.fetch(conversation);
    this.view.onList();
  }

  /** @param {string[]} names of channels to enter */
  join(...names) {
    if (names.length) this.link.send("JOIN", names.join(","));
  }

  /**
   * Join a channel, and then show it.
   * @param {string} name
   */
  enter(name) {
    this.wanted.add(fold(name));
    this.join(name);
  }

  /** Show the channel that the server has entered, or the only one; with several, they are listed. */
  findChannel() {
    this.listed = [];
    this.link.send("LIST");
  }

  onListEnd() {
    const [only, ...others] = this.listed ?? [];
    const [entered] = this.joined();
    if (entered && only) this.view.onShow(entered);
    else if (only && !others.length) this.enter(only);
    this.listed = null;
  }

  /**
   * Have all lines read, here and on the user's other devices.
   * @param {Conversation} conversation
   */
  markRead(conversation) {
    const last = conversation.lastStored();
    conversation.setRead(last?.time ?? 0);
    this.view.onList();
    if (!last || last.time <= conversation.marked) return;
    conversation.marked = last.time;
    if (this.link.has("draft/read-marker"))
      this.link.send("MARKREAD", conversation.name, `timestamp=${new Date(last.time).toISOString()}`);
  }

  /**
   * Tell the user something in a conversation.
   * @param {Conversation} conversation @param {string} text @param {Kind} [kind]
   */
  note(conversation, text, kind = "info") {
    this.add(conversation, makeLine({ kind, text, time: this.link.now() }));
  }

  /** @param {Conversation} conversation @param {Line} line */
  add(conversation, line) {
    const isSeen = this.isLive && this.isWatched && conversation === this.current;
    if (isSeen) conversation.setRead(line.time);
    const isNew = line.time > conversation.read;
    if (!conversation.insert(line, this.isOlder) || !this.isLive) return;
    this.view.onLine(conversation, line);
    if (!isSaid(line) || line.isOwn) return;
    if (isSeen) this.markRead(conversation);
    else if (isNew && (line.isMention || !conversation.isChannel)) this.view.onAlert(conversation, line);
    this.view.onList();
  }

  /**
   * @param {Conversation} conversation @param {Message[]} messages
   * @param {import("./history.js").Which} which
   */
  onHistory(conversation, messages, which) {
    const isOlder = which === "older";
    this.replayed = conversation;
    this.isOlder = isOlder;
    for (const message of isOlder ? [...messages].reverse() : messages) this.handle(message);
    this.replayed = null;
    this.isOlder = false;
    const isFirstVisit = which === "latest" && conversation.isChannel && !conversation.read;
    if (isFirstVisit) conversation.setRead(conversation.lastStored()?.time ?? 0);
    if (isOlder) this.view.onOlder(conversation);
    else this.view.onLines(conversation);
    if (this.isWatched && conversation === this.current) this.markRead(conversation);
    this.view.onList();
  }

  // Messages

  /** @param {Message} message */
  handle(message) {
    const { command, params, nick, tags } = message;
    const time = tags["time"] ? Date.parse(tags["time"]) : this.link.now();
    const target = params[0] ?? "";
    if (command === "PRIVMSG" || command === "NOTICE") this.onText(message, time);
    else if (command === "TAGMSG") this.onTags(message);
    else if (command === "JOIN") this.onJoin(message, time);
    else if (command === "PART") this.onLeave(message, nick, params[1], "left", time);
    else if (command === "KICK")
      this.onLeave(message, params[1] ?? "", params[2], `was removed by ${nick}`, time);
    else if (command === "QUIT") this.onQuit(message, time);
    else if (command === "NICK") this.onNick(message, time);
    else if (command === "TOPIC") this.onTopic(message, time);
    else if (command === "MODE") this.onMode(message, time);
    else if (command === "AWAY") this.onAway(nick, params.length > 0);
    else if (command === "REDACT") this.onRedact(target, nick, params[1] ?? "");
    else if (command === "MARKREAD") this.onMarkRead(target, params[1] ?? "");
    else if (command === "CHATHISTORY") this.onName(params[1] ?? "", params[2] ?? "");
    else if (command === "INVITE") this.note(this.current, `${nick} invites you to ${params[1]}`);
    else if (command === "REGISTER") this.note(this.server, params.at(-1) ?? "");
    else if (command === "ERROR") this.note(this.server, target, "error");
    else if (/^(FAIL|WARN|NOTE|\d{3})$/.test(command)) this.onReply(message);
  }

  /**
   * The conversation of a message: a channel, or the other person.
   * @param {Message} message
   */
  placeOf({ nick, params, source }) {
    const target = (params[0] ?? "").replace(/^[~&@%+]+(?=#)/, "");
    if (isChannel(target)) return this.open(target);
    if (!source.includes("!") && nick.includes(".")) return this.server;
    return this.open(this.isMe(nick) ? target : nick);
  }

  /** @param {string} nick */
  isMe(nick) {
    return fold(nick) === fold(this.link.nick);
  }

  /** @param {Message} message @param {number} time */
  onText(message, time) {
    const { command, nick, tags } = message;
    const content = message.params[1] ?? "";
    const action = /^\x01ACTION ([^\x01]*)\x01?$/.exec(content);
    if (content.startsWith("\x01") && !action) return;
    const conversation = this.placeOf(message);
    const text = action ? (action[1] ?? "") : content;
    const isOwn = this.isMe(nick);
    const line = makeLine({
      id: tags["msgid"] ?? "", time, nick, text, isOwn, reply: tags["+draft/reply"] ?? tags["+reply"] ?? "",
      kind: action ? "action" : command === "NOTICE" ? "notice" : "message",
      isMention: !isOwn && command !== "NOTICE" && mentions(text, this.link.nick),
    });
    if (!isOwn || !this.outbox.settle(conversation, tags["label"] ?? "", line)) this.add(conversation, line);
    else if (conversation === this.current && this.isWatched) this.markRead(conversation);
  }

  /** @param {Message} message */
  onTags(message) {
    const { nick, tags } = message;
    const conversation = this.placeOf(message);
    const typing = tags["+typing"];
    if (typing && this.isLive && !this.isMe(nick)) {
      if (typing === "active") conversation.typing.set(fold(nick), Date.now() + TYPING_MS);
      else conversation.typing.delete(fold(nick));
      this.view.onTyping(conversation);
    }
    const added = tags["+draft/react"];
    const reaction = added ?? tags["+draft/unreact"];
    const line = conversation.byId.get(tags["+draft/reply"] ?? "");
    if (!reaction || !line) return;
    setReaction(line, reaction, nick, added !== undefined);
    this.view.onLineChanged(conversation, line);
  }

  /** @param {string} target @param {string} nick @param {string} id */
  onRedact(target, nick, id) {
    const conversation = this.open(isChannel(target) || !this.isMe(target) ? target : nick);
    const line = conversation.byId.get(id);
    if (!line) return;
    line.isDeleted = true;
    line.text = "";
    this.view.onLineChanged(conversation, line);
  }

  /** @param {string} target @param {string} mark */
  onMarkRead(target, mark) {
    const time = Date.parse(mark.replace("timestamp=", ""));
    if (!target || !time) return;
    const conversation = this.open(target);
    conversation.marked = Math.max(conversation.marked, time);
    conversation.setRead(time);
    this.view.onList();
  }

  /** @param {string} name of someone with whom the user has talked @param {string} last */
  onName(name, last) {
    if (isChannel(name)) return;
    const conversation = this.open(name);
    this.link.send("MARKREAD", name);
    if (Date.parse(last) > conversation.read) this.history.fetch(conversation);
  }

  /**
   * @param {Conversation} conversation @param {Kind} kind @param {string} text
   * @param {Message} message @param {number} time
   */
  event(conversation, kind, text, message, time) {
    this.add(conversation, makeLine({ kind, id: message.tags["msgid"] ?? "", time, text }));
    if (this.isLive) this.view.onPeople(conversation);
  }

  /** @param {Message} message @param {number} time */
  onJoin(message, time) {
    const { nick, params } = message;
    const conversation = this.open(params[0] ?? "");
    if (this.isLive && this.isMe(nick)) {
      conversation.isJoined = true;
      conversation.people.clear();
      this.history.fetch(conversation);
      if (this.wanted.delete(conversation.key)) this.view.onShow(conversation);
      this.view.onList();
    }
    if (this.isLive) conversation.people.set(fold(nick), { nick, prefix: "", isAway: false });
    this.event(conversation, "join", `${nick} joined`, message, time);
  }

  /**
   * @param {Message} message @param {string} gone @param {string | undefined} reason
   * @param {string} how @param {number} time
   */
  onLeave(message, gone, reason, how, time) {
    const conversation = this.open(message.params[0] ?? "");
    const text = `${gone} ${how}${reason ? ` (${reason})` : ""}`;
    if (this.isLive) conversation.people.delete(fold(gone));
    this.event(conversation, "leave", text, message, time);
    if (!this.isLive || !this.isMe(gone)) return;
    conversation.isJoined = false;
    conversation.people.clear();
    if (message.command === "PART") this.forget(conversation);
    this.view.onPeople(conversation);
    this.view.onList();
  }

  /**
   * The conversations that an event of a person belongs to.
   * @param {string} nick
   */
  placesWith(nick) {
    if (this.replayed) return [this.replayed];
    return [...this.conversations.values()].filter(({ people }) => people.has(fold(nick)));
  }

  /** @param {Message} message @param {number} time */
  onQuit(message, time) {
    const { nick, params } = message;
    for (const conversation of this.placesWith(nick)) {
      if (this.isLive) conversation.people.delete(fold(nick));
      this.event(conversation, "leave", `${nick} quit${params[0] ? ` (${params[0]})` : ""}`, message, time);
    }
  }

  /** @param {Message} message @param {number} time */
  onNick(message, time) {
    const { nick, params } = message;
    const next = params[0] ?? "";
    for (const conversation of this.placesWith(nick)) {
      const person = conversation.people.get(fold(nick));
      if (person && this.isLive) {
        conversation.people.delete(fold(nick));
        conversation.people.set(fold(next), { ...person, nick: next });
      }
      this.event(conversation, "change", `${nick} is now ${next}`, message, time);
    }
    this.view.onList();
  }

  /** @param {Message} message @param {number} time */
  onTopic(message, time) {
    const [target = "", text = ""] = message.params;
    const conversation = this.open(target);
    const what = text ? `set the topic: ${text}` : "removed the topic";
    if (this.isLive) this.setTopic(target, text);
    this.event(conversation, "change", `${message.nick} ${what}`, message, time);
  }

  /** @param {string} target @param {string} text */
  setTopic(target, text) {
    const conversation = this.open(target);
    conversation.topic = text;
    this.view.onTopic(conversation);
  }

  /** @param {Message} message @param {number} time */
  onMode(message, time) {
    const [target = "", ...modes] = message.params;
    if (!isChannel(target)) return;
    this.event(this.open(target), "change", `${message.nick} set the mode ${modes.join(" ")}`, message, time);
    if (this.isLive && /[qaohv]/.test(modes[0] ?? "")) this.link.send("NAMES", target);
  }

  /** @param {string} nick @param {boolean} isAway */
  onAway(nick, isAway) {
    for (const conversation of this.conversations.values()) {
      const person = conversation.people.get(fold(nick));
      if (!person) continue;
      person.isAway = isAway;
      this.view.onPeople(conversation);
    }
  }

  // Replies

  /** @param {Message} message */
  onReply({ command, params, tags }) {
    const [, first = "", second = "", third = ""] = params;
    const isError = command === "FAIL" || /^[45]/.test(command);
    const label = tags["label"] ?? "";
    if (isError) {
      this.outbox.fail(label);
      this.history.receive(label, []);
    }
    if (command === "322") this.listed?.push(first);
    if (command === "001") this.onWelcome();
    else if (command === "005") this.onFacts(params);
    else if (command === "323") this.onListEnd();
    else if (command === "332") this.setTopic(first, second);
    else if (command === "331") this.setTopic(first, "");
    else if (command === "353") this.onNames(second, third);
    else if (command === "366") this.view.onPeople(this.open(first));
    else if (command === "FAIL" && /^(CHATHISTORY|RESUME)$/.test(params[0] ?? "")) return;
    else if (!isSilent(command))
      this.note(isOfServer(command) ? this.server : this.current, describe(command, params), isError ? "error" : "info");
  }

  /** @param {string[]} params of ISUPPORT */
  onFacts(params) {
    this.network = params.find((word) => word.startsWith("NETWORK="))?.slice(8) ?? this.network;
    this.view.onTopic(this.server);
    this.view.onList();
  }

  onWelcome() {
    this.batches.reset();
    this.history.reset();
    const names = this.link.resumes ? [] : this.joined().map(({ name }) => name);
    this.join(...names, ...this.wanted);
    this.history.fetchNames();
    for (const conversation of this.conversations.values())
      if (conversation.isKnown && !conversation.isChannel) this.history.fetch(conversation);
  }

  /** @param {string} target @param {string} names */
  onNames(target, names) {
    const { people } = this.open(target);
    for (const word of names.split(" ").filter((name) => name)) {
      const nick = word.replace(PREFIXES, "").split("!")[0] ?? "";
      const prefix = (word.match(PREFIXES)?.[0] ?? "").slice(0, 1);
      people.set(fold(nick), { nick, prefix, isAway: people.get(fold(nick))?.isAway ?? false });
    }
  }
}
