// A conversation: its lines in the order of their times, and which of them are unread.
import { fold, isChannel } from "./irc.js";

/**
 * @typedef {"message" | "action" | "notice" | "join" | "leave" | "change" | "info" | "error"} Kind
 * @typedef {{id: string, time: number, kind: Kind, nick: string, text: string, reply: string,
 *   state: "" | "pending" | "failed", isOwn: boolean, isMention: boolean, isDeleted: boolean,
 *   reactions: Map<string, Set<string>>}} Line
 * @typedef {{nick: string, prefix: string, isAway: boolean}} Person
 */

const MAX_LINES = 20000;

/** @param {Partial<Line>} facts @returns {Line} */
export function makeLine(facts) {
  return {
    id: "", time: 0, kind: "info", nick: "", text: "", reply: "", state: "",
    isOwn: false, isMention: false, isDeleted: false, reactions: new Map(), ...facts,
  };
}

/** @param {Line} line */
export function isSaid(line) {
  return ["message", "action", "notice"].includes(line.kind);
}

/** @param {Line} line */
export function isEvent(line) {
  return ["join", "leave", "change"].includes(line.kind);
}

/** @param {Line} line @param {string} reaction @param {string} nick @param {boolean} isThere */
export function setReaction({ reactions }, reaction, nick, isThere) {
  const nicks = reactions.get(reaction) ?? new Set();
  if (isThere) nicks.add(nick);
  else nicks.delete(nick);
  if (nicks.size) reactions.set(reaction, nicks);
  else reactions.delete(reaction);
}

export class Conversation {
  /** @param {string} name of a channel or a person; empty for the server */
  constructor(name) {
    this.name = name;
    this.key = fold(name);
    this.isChannel = isChannel(name);
    this.isJoined = false;
    this.topic = "";
    /** @type {Map<string, Person>} */
    this.people = new Map();
    /** @type {Line[]} */
    this.lines = [];
    /** @type {Map<string, Line>} */
    this.byId = new Map();
    this.unread = 0;
    this.mentions = 0;
    this.read = 0; // the time of the last line that was read
    this.marked = 0; // as the server knows it
    this.mark = 0; // lines after this time are shown as new
    this.isKnown = false; // its history was requested
    this.hasOlder = true;
    /** @type {Map<string, number>} until when someone types */
    this.typing = new Map();
  }

  /** The last line that the server has. */
  lastStored() {
    let at = this.lines.length - 1;
    while (at >= 0 && !this.lines[at]?.id) at -= 1;
    return this.lines[at];
  }

  /**
   * Insert a line by its time; of equal times, an older one comes first.
   * @param {Line} line @param {boolean} [isOlder]
   * @returns {boolean} whether it is new here
   */
  insert(line, isOlder = false) {
    if (this.byId.has(line.id)) return false;
    if (line.id) this.byId.set(line.id, line);
    const limit = isOlder ? line.time - 1 : line.time;
    let at = 0;
    for (let end = this.lines.length; at < end; ) {
      const middle = (at + end) >> 1;
      if (/** @type {Line} */ (this.lines[middle]).time > limit) end = middle;
      else at = middle + 1;
    }
    this.lines.splice(at, 0, line);
    if (this.lines.length > MAX_LINES) {
      const dropped = /** @type {Line} */ (this.lines.shift());
      this.byId.delete(dropped.id);
      this.hasOlder = true;
    }
    this.typing.delete(fold(line.nick));
    this.count(line);
    return true;
  }

  /** @param {Line} line */
  remove(line) {
    this.lines = this.lines.filter((other) => other !== line);
  }

  /**
   * Count a line if it is unread. The user has read what is before an own line.
   * @param {Line} line
   */
  count(line) {
    if (!this.name || !isSaid(line) || line.time <= this.read) return;
    if (line.isOwn) {
      if (line.id) this.setRead(line.time);
      return;
    }
    this.mark = this.unread ? Math.min(this.mark, line.time - 1) : line.time - 1;
    this.unread += 1;
    if (line.isMention || !this.isChannel) this.mentions += 1;
  }

  /** @param {number} time up to which all lines were read, here or on another device */
  setRead(time) {
    if (time <= this.read) return;
    const { mark } = this;
    this.read = time;
    this.unread = this.mentions = 0;
    for (let at = this.lines.length - 1; at >= 0; at -= 1) {
      const line = /** @type {Line} */ (this.lines[at]);
      if (line.time <= time) break;
      this.count(line);
    }
    if (!this.unread) this.mark = mark;
  }
}
