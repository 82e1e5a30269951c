// What the user sends: a line is pending until the server returns it, or has failed.
import { makeLine } from "./conversation.js";
import { cutText } from "./irc.js";

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").Line} Line
 */

const MAX_BYTES = 380; // of a text, so that the line with the sender's prefix has 512 at most
const SETTLE_MS = 20000;

export class Outbox {
  /**
   * @param {import("./link.js").Link} link
   * @param {{onLine: (conversation: Conversation, line: Line) => void,
   *          onLines: (conversation: Conversation) => void,
   *          onLineChanged: (conversation: Conversation, line: Line) => void}} view
   */
  constructor(link, view) {
    this.link = link;
    this.view = view;
    /** @type {Map<string, {conversation: Conversation, line: Line}>} by label: pending and failed lines */
    this.unsent = new Map();
  }

  /** @param {Conversation} conversation @param {string} text @param {string} [reply] */
  say(conversation, text, reply = "") {
    const rows = text.split("\n").filter((row) => row.trim());
    if (rows.length > 1 && this.link.has("draft/multiline")) {
      this.sayTogether(conversation, text, reply);
      return;
    }
    for (const row of rows)
      for (const piece of cutText(row, MAX_BYTES)) {
        this.sayLine(conversation, piece, reply);
        reply = "";
      }
  }

  /** @param {Conversation} conversation @param {string} text @param {string} reply */
  sayLine(conversation, text, reply) {
    this.send(conversation, makeLine({ kind: "message", text, reply }), (tags) =>
      this.link.sendTagged(tags, "PRIVMSG", conversation.name, text));
  }

  /** @param {Conversation} conversation @param {string} text */
  act(conversation, text) {
    this.send(conversation, makeLine({ kind: "action", text }), (tags) =>
      this.link.sendTagged(tags, "PRIVMSG", conversation.name, `\x01ACTION ${text}\x01`));
  }

  /**
   * Send several lines as one message (draft/multiline).
   * @param {Conversation} conversation @param {string} text @param {string} reply
   */
  sayTogether(conversation, text, reply) {
    this.send(conversation, makeLine({ kind: "message", text, reply }), (tags) => {
      const batch = tags["label"] ?? "";
      this.link.sendTagged(tags, "BATCH", `+${batch}`, "draft/multiline", conversation.name);
      for (const row of text.split("\n"))
        cutText(row, MAX_BYTES).forEach((piece, index) => {
          /** @type {Record<string, string>} */
          const own = index ? { batch, "draft/multiline-concat": "" } : { batch };
          this.link.sendTagged(own, "PRIVMSG", conversation.name, piece);
        });
      return this.link.sendTagged({}, "BATCH", `-${batch}`);
    });
  }

  /**
   * @param {Conversation} conversation @param {Line} line
   * @param {(tags: Record<string, string>) => boolean} transmit
   */
  send(conversation, line, transmit) {
    const label = this.link.nextLabel();
    Object.assign(line, { nick: this.link.nick, isOwn: true, state: "pending", time: this.link.now() });
    this.unsent.set(label, { conversation, line });
    conversation.insert(line);
    this.view.onLine(conversation, line);
    /** @type {Record<string, string>} */
    const tags = line.reply ? { label, "+draft/reply": line.reply } : { label };
    if (!this.link.isRegistered || !transmit(tags)) this.fail(label);
    else setTimeout(() => this.fail(label), SETTLE_MS);
  }

  /** @param {string} label */
  fail(label) {
    const found = this.unsent.get(label);
    if (!found) return;
    found.line.state = "failed";
    this.view.onLineChanged(found.conversation, found.line);
  }

  /**
   * Send a line again that has failed.
   * @param {Conversation} conversation @param {Line} line
   */
  sendAgain(conversation, line) {
    for (const [label, unsent] of this.unsent) if (unsent.line === line) this.unsent.delete(label);
    conversation.remove(line);
    this.view.onLines(conversation);
    if (line.kind === "action") this.act(conversation, line.text);
    else this.say(conversation, line.text, line.reply);
  }

  /**
   * Note that the server has a line of the user, which it returns with its label, or in history.
   * @param {Conversation} conversation @param {string} label @param {Line} stored
   * @returns {boolean} whether the line is one of this page
   */
  settle(conversation, label, stored) {
    const key = this.unsent.has(label) ? label : this.labelOf(conversation, stored);
    const line = this.unsent.get(key)?.line;
    if (!line) return false;
    this.unsent.delete(key);
    const wasLast = conversation.lines.at(-1) === line;
    conversation.remove(line);
    Object.assign(line, { id: stored.id, time: stored.time, state: "" });
    const isNew = conversation.insert(line);
    if (isNew && wasLast && conversation.lines.at(-1) === line) this.view.onLineChanged(conversation, line);
    else this.view.onLines(conversation);
    return true;
  }

  /**
   * The label of the line that was sent before the connection was lost, and then arrived.
   * @param {Conversation} conversation @param {Line} stored
   */
  labelOf(conversation, stored) {
    for (const [label, unsent] of this.unsent)
      if (unsent.conversation === conversation && unsent.line.text === stored.text && unsent.line.time < stored.time + 2000)
        return label;
    return "";
  }
}
