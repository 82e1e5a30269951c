// What the user sees, without the document: conversations, their lines, and what is unread.
import { cutText, fold, isChannel, mentions } from "./irc.js";

/**
 * @typedef {"message" | "action" | "notice" | "event" | "info" | "error"} Kind
 * @typedef {{key: number, id: string, time: number, kind: Kind, nick: string, text: string,
 *   state: "" | "pending" | "failed", label: string, reply: string, isOwn: boolean,
 *   isMention: boolean, isDeleted: boolean, reactions: Map<string, Set<string>>}} Line
 * @typedef {{nick: string, prefix: string, isAway: boolean}} Person
 * @typedef {{name: string, key: string, isChannel: boolean, isJoined: boolean, topic: string,
 *   people: Map<string, Person>, lines: Line[], ids: Set<string>, unread: number, mentions: number,
 *   read: number, mark: number, hasOlder: boolean, isLoading: boolean, typing: Map<string, number>,
 *   known: boolean}} Conversation
 * @typedef {import("./irc.js").Message} Message
 */

const MAX_LINES = 20000;
const PAGE = 60;
const MAX_BYTES = 380; // of a text, so that the line with the sender's prefix has 512 at most
const DAYS_OF_TARGETS = 30;
const PREFIXES = "~&@%+";

/** @param {Line} line */
export function isSaid(line) {
  return ["message", "action", "notice"].includes(line.kind);
}

/**
 * The last line that the server has.
 * @param {Conversation} conversation
 */
function lastKnown({ lines }) {
  let at = lines.length - 1;
  while (at >= 0 && !lines[at]?.id) at -= 1;
  return lines[at];
}

export class Model {
  /**
   * @param {import("./link.js").Link} link
   * @param {{changed: (conversation: Conversation, what: string, line?: Line) => void,
   *          listed: () => void, found: (messages: Message[]) => void, alert: (conversation: Conversation, line: Line) => void}} view
   */
  constructor(link, view) {
    this.link = link;
    this.view = view;
    /** @type {Map<string, Conversation>} */
    this.conversations = new Map();
    /** @type {Conversation} */
    this.server = this.open("");
    this.current = this.server;
    this.isWatched = true;
    this.lastKey = 0;
    /** @type {Map<string, {target: string, type: string, messages: Message[], tags: Record<string, string>}>} */
    this.batches = new Map();
    /** @type {Map<string, {conversation: Conversation, line: Line}>} */
    this.pending = new Map();
    /** @type {Set<string>} */
    this.wanted = new Set();
    this.network = "";
    this.isOlder = false;
  }

  /** @param {string} name @returns {Conversation} */
  open(name) {
    const key = fold(name);
    const found = this.conversations.get(key);
    if (found) return found;
    /** @type {Conversation} */
    const made = {
      name, key, isChannel: isChannel(name), isJoined: false, topic: "", people: new Map(),
      lines: [], ids: new Set(), unread: 0, mentions: 0, read: 0, mark: 0,
      hasOlder: name !== "", isLoading: false, typing: new Map(), known: false,
    };
    this.conversations.set(key, made);
    this.view.listed();
    return made;
  }

  /** @param {Conversation} conversation */
  forget(conversation) {
    if (conversation === this.server) return;
    this.conversations.delete(conversation.key);
    this.view.listed();
  }

  /** All conversations in the order of the list: the server, channels, people. */
  sorted() {
    const rank = (/** @type {Conversation} */ c) => (c === this.server ? 0 : c.isChannel ? 1 : 2);
    const all = [...this.conversations.values()];
    return all.sort((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key));
  }

  /** @param {Partial<Line>} facts @returns {Line} */
  makeLine(facts) {
    return {
      key: (this.lastKey += 1), id: "", time: Date.now(), kind: "info", nick: "", text: "", state: "",
      label: "", reply: "", isOwn: false, isMention: false, isDeleted: false, reactions: new Map(),
      ...facts,
    };
  }

  /** @param {Conversation} conversation @param {Partial<Line>} facts */
  note(conversation, facts) {
    this.insert(conversation, this.makeLine(facts), true);
  }

  /** @param {Conversation} conversation @param {Line} line @param {boolean} isLive */
  insert(conversation, line, isLive) {
    if (line.id) {
      if (conversation.ids.has(line.id)) return;
      conversation.ids.add(line.id);
    }
    const { lines } = conversation;
    let at = lines.length;
    const limit = this.isOlder ? line.time - 1 : line.time; // of equal times, older ones come first
    while (at > 0 && /** @type {Line} */ (lines[at - 1]).time > limit) at -= 1;
    lines.splice(at, 0, line);
    if (lines.length > MAX_LINES) lines.splice(0, lines.length - MAX_LINES);
    if (line.nick) conversation.typing.delete(fold(line.nick));
    this.count(conversation, line, isLive);
    if (isLive) this.view.changed(conversation, at === lines.length - 1 ? "line" : "lines", line);
  }

  /** @param {Conversation} conversation @param {Line} line @param {boolean} isLive */
  count(conversation, line, isLive) {
    if (!isSaid(line) || line.isOwn || conversation === this.server || line.time <= conversation.read) return;
    const isSeen = isLive && this.isWatched && conversation === this.current;
    if (isSeen) {
      this.markRead(conversation);
      return;
    }
    conversation.unread += 1;
    if (line.isMention || !conversation.isChannel) {
      conversation.mentions += 1;
      if (isLive) this.view.alert(conversation, line);
    }
    this.view.listed();
  }

  /**
   * Have all lines read, here and on the user's other devices.
   * @param {Conversation} conversation
   */
  markRead(conversation) {
    const last = lastKnown(conversation);
    conversation.unread = conversation.mentions = 0;
    this.view.listed();
    if (!last || last.time <= conversation.read) return;
    conversation.read = last.time;
    if (this.link.has("draft/read-marker"))
      this.link.send("MARKREAD", conversation.name, `timestamp=${new Date(last.time).toISOString()}`);
  }

  /** @param {Conversation} conversation @param {number} read */
  setRead(conversation, read) {
    if (read <= conversation.read) return;
    conversation.read = read;
    conversation.unread = conversation.mentions = 0;
    for (const line of conversation.lines) this.count(conversation, line, false);
    this.view.listed();
  }

  /**
   * Show a conversation.
   * @param {Conversation} conversation
   */
  show(conversation) {
    this.current = conversation;
    const others = conversation.lines.filter((line) => isSaid(line) && !line.isOwn);
    const first = others[others.length - conversation.unread];
    conversation.mark = first ? first.time - 1 : 0;
    if (this.isWatched) this.markRead(conversation);
    if (!conversation.known && !conversation.isChannel) this.askLatest(conversation);
    this.view.listed();
  }

  // Sending

  /** @param {Conversation} conversation @param {string} text @param {string} [reply] */
  say(conversation, text, reply = "") {
    const lines = text.split("\n").filter((line) => line.trim());
    if (lines.length > 1 && this.link.has("draft/multiline") && this.link.has("batch")) {
      this.sayTogether(conversation, text.replace(/\s+$/, ""), reply);
      return;
    }
    for (const line of lines)
      for (const piece of cutText(line, MAX_BYTES)) {
        this.sendLine(conversation, "PRIVMSG", "message", piece, reply);
        reply = "";
      }
  }

  /** @param {Conversation} conversation @param {string} text */
  act(conversation, text) {
    this.sendLine(conversation, "PRIVMSG", "action", text, "");
  }

  /** @param {Conversation} conversation @param {Kind} kind @param {string} text @param {string} reply */
  makePending(conversation, kind, text, reply) {
    const label = this.link.nextLabel();
    const line = this.makeLine({
      kind, text, label, reply, nick: this.link.nick, isOwn: true, state: "pending",
    });
    this.pending.set(label, { conversation, line });
    this.insert(conversation, line, true);
    setTimeout(() => this.fail(label, ""), 20000);
    return line;
  }

  /**
   * @param {Conversation} conversation @param {string} command @param {Kind} kind
   * @param {string} text @param {string} reply
   */
  sendLine(conversation, command, kind, text, reply) {
    const line = this.makePending(conversation, kind, text, reply);
    const body = kind === "action" ? `\x01ACTION ${text}\x01` : text;
    /** @type {Record<string, string>} */
    const tags = this.link.has("labeled-response") ? { label: line.label } : {};
    if (reply) tags["+draft/reply"] = reply;
    if (!this.link.isRegistered || !this.link.sendTagged(tags, command, conversation.name, body))
      this.fail(line.label, "");
    else if (!this.link.has("echo-message") || !this.link.has("labeled-response"))
      this.settle(line.label, "", Date.now());
  }

  /**
   * Send several lines as one message (draft/multiline).
   * @param {Conversation} conversation @param {string} text @param {string} reply
   */
  sayTogether(conversation, text, reply) {
    const line = this.makePending(conversation, "message", text, reply);
    /** @type {Record<string, string>} */
    const tags = { label: line.label };
    if (reply) tags["+draft/reply"] = reply;
    this.link.sendTagged(tags, "BATCH", `+${line.label}`, "draft/multiline", conversation.name);
    for (const row of text.split("\n"))
      cutText(row, MAX_BYTES).forEach((piece, index) => {
        /** @type {Record<string, string>} */
        const own = { batch: line.label };
        if (index) own["draft/multiline-concat"] = "";
        this.link.sendTagged(own, "PRIVMSG", conversation.name, piece);
      });
    if (!this.link.sendTagged({}, "BATCH", `-${line.label}`)) this.fail(line.label, "");
  }

  /**
   * Send a line again that has failed.
   * @param {Conversation} conversation @param {Line} line
   */
  sendAgain(conversation, line) {
    conversation.lines = conversation.lines.filter((other) => other !== line);
    this.view.changed(conversation, "lines");
    if (line.kind === "action") this.act(conversation, line.text);
    else this.say(conversation, line.text, line.reply);
  }

  /** @param {string} label @param {string} id @param {number} time */
  settle(label, id, time) {
    const found = this.pending.get(label);
    if (!found) return;
    this.pending.delete(label);
    const { conversation, line } = found;
    if (id && conversation.ids.has(id)) {
      conversation.lines = conversation.lines.filter((other) => other !== line);
      this.view.changed(conversation, "lines");
      return;
    }
    if (id) conversation.ids.add(id);
    line.id = id;
    line.time = time;
    line.state = "";
    conversation.lines.sort((a, b) => a.time - b.time);
    this.view.changed(conversation, "state", line);
    if (conversation === this.current && this.isWatched) this.markRead(conversation);
  }

  /** @param {string} label @param {string} reason */
  fail(label, reason) {
    const found = this.pending.get(label);
    if (!found) return;
    this.pending.delete(label);
    found.line.state = "failed";
    this.view.changed(found.conversation, "state", found.line);
    if (reason) this.note(found.conversation, { kind: "error", text: reason });
  }

  // Receiving

  /** @param {Message} message */
  receive(message) {
    const batch = this.batches.get(message.tags["batch"] ?? "");
    if (message.command === "BATCH") this.onBatch(message);
    else if (batch) batch.messages.push(message);
    else this.handle(message, true);
  }

  /** @param {Message} message */
  onBatch(message) {
    const [reference = "", type = "", target = ""] = message.params;
    const id = reference.slice(1);
    if (reference.startsWith("+")) {
      this.batches.set(id, { target, type, messages: [], tags: message.tags });
      const first = this.batches.get(message.tags["batch"] ?? "");
      if (first) first.messages.push(message);
      if (type === "draft/multiline")
        Object.assign(/** @type {object} */ (this.batches.get(id)), { source: message.source, nick: message.nick });
      return;
    }
    const batch = this.batches.get(id);
    this.batches.delete(id);
    if (!batch) return;
    if (batch.type === "chathistory") this.onHistory(batch.target, batch.messages);
    else if (batch.type === "draft/multiline") this.onMultiline(batch);
    else if (batch.type === "draft/search") this.view.found(batch.messages);
    else if (batch.type === "draft/chathistory-targets") for (const each of batch.messages) this.handle(each, true);
    else for (const each of batch.messages) this.handle(each, true);
  }

  /** @param {{target: string, messages: Message[], tags: Record<string, string>}} batch */
  onMultiline(batch) {
    const [first] = batch.messages;
    if (!first) return;
    let text = "";
    batch.messages.forEach((part, index) => {
      text += (index && !("draft/multiline-concat" in part.tags) ? "\n" : "") + (part.params[1] ?? "");
    });
    const outer = this.batches.get(batch.tags["batch"] ?? "");
    const whole = { ...first, tags: { ...batch.tags }, params: [batch.target, text] };
    if (outer) outer.messages.push(whole);
    else this.handle(whole, true);
  }

  /** @param {string} target @param {Message[]} messages */
  onHistory(target, messages) {
    const conversation = this.open(target);
    const wasLoading = conversation.isLoading;
    conversation.isLoading = false;
    conversation.known = true;
    if (wasLoading && messages.length < PAGE) conversation.hasOlder = false;
    this.isOlder = wasLoading;
    for (const message of wasLoading ? [...messages].reverse() : messages)
      if (message.command !== "BATCH") this.handle(message, false);
    this.isOlder = false;
    this.view.changed(conversation, wasLoading ? "older" : "lines");
    this.view.listed();
    const last = messages.at(-1);
    if (!wasLoading && messages.length >= 100 && last?.tags["msgid"])
      this.link.send("CHATHISTORY", "AFTER", target, `msgid=${last.tags["msgid"]}`, "100");
  }

  onNoHistory() {
    for (const each of this.conversations.values()) if (each.isLoading) each.isLoading = each.hasOlder = false;
  }

  /** @param {Message} message @param {boolean} isLive */
  handle(message, isLive) {
    const { command, params, nick, tags } = message;
    const time = tags["time"] ? Date.parse(tags["time"]) : Date.now();
    if (tags["label"] && /^(4\d\d|FAIL)$/.test(command)) this.fail(tags["label"], params.at(-1) ?? "");
    else if (command === "PRIVMSG" || command === "NOTICE") this.onText(message, time, isLive);
    else if (command === "TAGMSG") this.onTags(message, isLive);
    else if (command === "JOIN") this.onJoin(message, time, isLive);
    else if (command === "REDACT") this.onRedact(params[0] ?? "", nick, params[1] ?? "");
    else if (command === "MARKREAD") this.onMarkRead(params);
    else if (command === "PART" || command === "KICK") this.onLeave(message, time, isLive);
    else if (command === "QUIT") this.onQuit(message, time, isLive);
    else if (command === "NICK") this.onNick(message, time, isLive);
    else if (command === "TOPIC") this.onTopic(params[0] ?? "", params[1] ?? "", nick, time, isLive);
    else if (command === "MODE") this.onMode(message, time, isLive);
    else if (command === "AWAY") this.onAway(nick, params.length > 0);
    else if (command === "CHATHISTORY") this.onTarget(params);
    else if (command === "INVITE") this.note(this.current, { kind: "info", text: `${nick} invites you to ${params[1]}` });
    else if (/^\d{3}$/.test(command)) this.onNumeric(message);
    else if (command === "FAIL" && params[0] === "CHATHISTORY") this.onNoHistory();
    else if (/^(FAIL|WARN|NOTE)$/.test(command))
      this.note(this.current, { kind: command === "FAIL" ? "error" : "info", text: params.slice(2).join(" ") || (params[1] ?? "") });
    else if (command === "REGISTER") this.note(this.server, { text: params.at(-1) ?? "" });
    else if (command === "ERROR") this.note(this.server, { kind: "error", text: params[0] ?? "" });
  }

  /**
   * The conversation of a message: a channel, or the other person.
   * @param {Message} message
   */
  placeOf(message) {
    const target = (message.params[0] ?? "").replace(/^[@+]+(?=#)/, "");
    if (isChannel(target)) return this.open(target);
    if (!message.source.includes("!") && message.nick.includes(".")) return this.server;
    return this.open(fold(message.nick) === fold(this.link.nick) ? target : message.nick);
  }

  /** @param {Message} message @param {number} time @param {boolean} isLive */
  onText(message, time, isLive) {
    const { nick, tags } = message;
    const isOwn = fold(nick) === fold(this.link.nick);
    const id = tags["msgid"] ?? "";
    if (isOwn && tags["label"] && this.pending.has(tags["label"])) {
      return this.settle(tags["label"], id, time);
    }
    let text = message.params[1] ?? "";
    /** @type {Kind} */
    let kind = message.command === "NOTICE" ? "notice" : "message";
    const action = /^\x01ACTION ([^\x01]*)\x01?$/.exec(text);
    if (action) [kind, text] = ["action", action[1] ?? ""];
    else if (text.startsWith("\x01")) return;
    const conversation = this.placeOf(message);
    for (const [label, sent] of isOwn ? this.pending : []) // sent before the connection was lost
      if (sent.conversation === conversation && sent.line.text === text) return this.settle(label, id, time);
    const isMention = !isOwn && kind !== "notice" && mentions(text, this.link.nick);
    const reply = tags["+draft/reply"] ?? tags["+reply"] ?? "";
    this.insert(conversation, this.makeLine({ id, time, kind, nick, text, isOwn, isMention, reply }), isLive);
  }

  /** @param {Message} message @param {boolean} isLive */
  onTags(message, isLive) {
    const { nick, tags } = message;
    const conversation = this.placeOf(message);
    const typing = tags["+typing"];
    if (typing && isLive && fold(nick) !== fold(this.link.nick)) {
      if (typing === "active") conversation.typing.set(fold(nick), Date.now() + 6000);
      else conversation.typing.delete(fold(nick));
      this.view.changed(conversation, "typing");
    }
    const reaction = tags["+draft/react"];
    const line = this.find(conversation, tags["+draft/reply"] ?? "");
    if (!reaction || !line) return;
    const nicks = line.reactions.get(reaction) ?? new Set();
    line.reactions.set(reaction, nicks.add(nick));
    this.view.changed(conversation, "state", line);
  }

  /** @param {Conversation} conversation @param {string} id */
  find(conversation, id) {
    return id ? conversation.lines.find((line) => line.id === id) : undefined;
  }

  /** @param {string} target @param {string} nick @param {string} id */
  onRedact(target, nick, id) {
    const conversation = this.open(isChannel(target) || fold(target) !== fold(this.link.nick) ? target : nick);
    const line = this.find(conversation, id);
    if (!line) return;
    line.isDeleted = true;
    line.text = "";
    this.view.changed(conversation, "state", line);
  }

  /** @param {string[]} params */
  onMarkRead(params) {
    const time = Date.parse((params[1] ?? "").replace("timestamp=", ""));
    if (params[0] && time) this.setRead(this.open(params[0]), time);
  }

  /** @param {string[]} params */
  onTarget(params) {
    const [, name = "", stamp = ""] = params;
    if (isChannel(name)) return;
    const conversation = this.open(name);
    this.link.send("MARKREAD", name);
    if (Date.parse(stamp) > conversation.read) this.askLatest(conversation);
  }

  /** @param {Conversation} conversation @param {number} time @param {boolean} isLive @param {string} id @param {string} text */
  event(conversation, time, isLive, id, text) {
    this.insert(conversation, this.makeLine({ kind: "event", id, time, text }), isLive);
  }

  /** @param {Message} message @param {number} time @param {boolean} isLive */
  onJoin(message, time, isLive) {
    const { nick, params, tags } = message;
    const conversation = this.open(params[0] ?? "");
    if (isLive && fold(nick) === fold(this.link.nick)) {
      conversation.isJoined = true;
      conversation.people.clear();
      this.askMissed(conversation);
      if (this.wanted.delete(conversation.key)) this.view.changed(conversation, "show");
      this.view.listed();
    }
    if (isLive) conversation.people.set(fold(nick), { nick, prefix: "", isAway: false });
    this.event(conversation, time, isLive, tags["msgid"] ?? "", `${nick} joined`);
    this.view.changed(conversation, "people");
  }

  /** @param {Message} message @param {number} time @param {boolean} isLive */
  onLeave(message, time, isLive) {
    const { command, nick, params, tags } = message;
    const conversation = this.open(params[0] ?? "");
    const gone = command === "KICK" ? (params[1] ?? "") : nick;
    const reason = params[command === "KICK" ? 2 : 1];
    const what = command === "KICK" ? `${gone} was removed by ${nick}` : `${gone} left`;
    this.event(conversation, time, isLive, tags["msgid"] ?? "", reason ? `${what} (${reason})` : what);
    if (!isLive) return;
    conversation.people.delete(fold(gone));
    if (fold(gone) === fold(this.link.nick)) {
      conversation.isJoined = false;
      conversation.people.clear();
      if (command === "PART") this.forget(conversation);
      if (conversation === this.current && command === "PART") this.view.changed(this.server, "show");
    }
    this.view.changed(conversation, "people");
  }

  /** @param {Message} message @param {number} time @param {boolean} isLive */
  onQuit(message, time, isLive) {
    const { nick, params, tags } = message;
    for (const conversation of this.conversations.values())
      if (conversation.people.delete(fold(nick))) {
        this.event(conversation, time, isLive, tags["msgid"] ?? "", `${nick} quit${params[0] ? ` (${params[0]})` : ""}`);
        this.view.changed(conversation, "people");
      }
  }

  /** @param {Message} message @param {number} time @param {boolean} isLive */
  onNick(message, time, isLive) {
    const { nick, params, tags } = message;
    const next = params[0] ?? "";
    for (const conversation of this.conversations.values()) {
      const person = conversation.people.get(fold(nick));
      if (!person) continue;
      conversation.people.delete(fold(nick));
      conversation.people.set(fold(next), { ...person, nick: next });
      this.event(conversation, time, isLive, tags["msgid"] ?? "", `${nick} is now ${next}`);
      this.view.changed(conversation, "people");
    }
  }

  /** @param {string} target @param {string} text @param {string} nick @param {number} time @param {boolean} isLive */
  onTopic(target, text, nick, time, isLive) {
    const conversation = this.open(target);
    if (isLive) conversation.topic = text;
    if (nick) this.event(conversation, time, isLive, "", text ? `${nick} set the topic: ${text}` : `${nick} removed the topic`);
    this.view.changed(conversation, "topic");
  }

  /** @param {Message} message @param {number} time @param {boolean} isLive */
  onMode(message, time, isLive) {
    const { nick, params } = message;
    if (!isChannel(params[0] ?? "")) return;
    const conversation = this.open(params[0] ?? "");
    this.event(conversation, time, isLive, "", `${nick} set the mode ${params.slice(1).join(" ")}`);
    if (isLive && /[ov]/.test(params[1] ?? "")) this.link.send("NAMES", conversation.name);
  }

  /** @param {string} nick @param {boolean} isAway */
  onAway(nick, isAway) {
    for (const conversation of this.conversations.values()) {
      const person = conversation.people.get(fold(nick));
      if (person) person.isAway = isAway;
      if (person) this.view.changed(conversation, "people");
    }
  }

  /** @param {Message} message */
  onNumeric(message) {
    const { command, params } = message;
    if (command === "001") this.onWelcome();
    else if (command === "005") this.network = params.find((word) => word.startsWith("NETWORK="))?.slice(8) ?? this.network;
    else if (command === "332") this.onTopic(params[1] ?? "", params[2] ?? "", "", 0, true);
    else if (command === "331") this.onTopic(params[1] ?? "", "", "", 0, true);
    else if (command === "353") this.onNames(params[2] ?? "", params[3] ?? "");
    else if (command === "366") this.view.changed(this.open(params[1] ?? ""), "people");
    else if (command === "322") this.note(this.current, { text: `${params[1]} (${params[2]}) ${params[3] ?? ""}` });
    else if (/^(333|329|315|32[13]|352|354|369|318)$/.test(command)) return;
    else if (/^(00[234]|25\d|26[56])$/.test(command)) return;
    else if (command === "401" && params[1]) this.note(this.current, { kind: "error", text: `${params[1]}: ${params[2] ?? ""}` });
    else {
      const place = /^(37[256]|422|900|903|396)$/.test(command) ? this.server : this.current;
      const kind = /^[45]/.test(command) ? "error" : "info";
      this.note(place, { kind, text: params.slice(1).join(" ") });
    }
  }

  onWelcome() {
    this.batches.clear();
    const joined = [...this.conversations.values()].filter((each) => each.isJoined);
    for (const each of joined) if (!this.link.resumes) this.link.send("JOIN", each.name);
    for (const name of this.wanted) this.link.send("JOIN", name);
    if (this.link.has("draft/chathistory")) {
      const since = new Date(Date.now() - DAYS_OF_TARGETS * 86400000).toISOString();
      this.link.send("CHATHISTORY", "TARGETS", `timestamp=${new Date(Date.now() + 60000).toISOString()}`, `timestamp=${since}`, "50");
      for (const each of this.conversations.values())
        if (each.known && !each.isChannel && each !== this.server) this.askMissed(each);
    }
  }

  /** @param {string} target @param {string} names */
  onNames(target, names) {
    const conversation = this.open(target);
    for (const word of names.split(" ").filter((each) => each)) {
      const nick = word.replace(/^[~&@%+]+/, "").split("!")[0] ?? "";
      const before = conversation.people.get(fold(nick));
      const prefix = PREFIXES.includes(word[0] ?? " ") ? (word[0] ?? "") : "";
      conversation.people.set(fold(nick), { nick, prefix, isAway: before?.isAway ?? false });
    }
  }

  // History

  /** @param {Conversation} conversation */
  askLatest(conversation) {
    if (!this.link.has("draft/chathistory") || conversation === this.server) return;
    conversation.known = true;
    this.link.send("CHATHISTORY", "LATEST", conversation.name, "*", String(PAGE));
  }

  /**
   * Ask for what was said while the connection was lost.
   * @param {Conversation} conversation
   */
  askMissed(conversation) {
    const last = lastKnown(conversation);
    if (!last) this.askLatest(conversation);
    else if (this.link.has("draft/chathistory"))
      this.link.send("CHATHISTORY", "AFTER", conversation.name, `timestamp=${new Date(last.time - 1).toISOString()}`, "100");
  }

  /**
   * Ask for what is before the first line.
   * @param {Conversation} conversation
   */
  askOlder(conversation) {
    const first = conversation.lines.find((line) => line.id);
    if (!first || conversation.isLoading || !conversation.hasOlder || !this.link.has("draft/chathistory")) return;
    conversation.isLoading = true;
    this.link.send("CHATHISTORY", "BEFORE", conversation.name, `msgid=${first.id}`, String(PAGE));
  }
}
