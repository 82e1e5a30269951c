// What was said before, or while the connection was lost (CHATHISTORY).

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./irc.js").Message} Message
 * @typedef {"latest" | "missed" | "older"} Which
 */

const PAGE = 60;
const MISSED_PAGE = 100;
const DAYS = 30;

export class History {
  /**
   * @param {import("./link.js").Link} link
   * @param {(conversation: Conversation, messages: Message[], which: Which) => void} onMessages
   */
  constructor(link, onMessages) {
    this.link = link;
    this.onMessages = onMessages;
    /** @type {Map<string, {conversation: Conversation, which: Which}>} by label */
    this.requests = new Map();
  }

  /** Forget what was requested over a connection that is lost. */
  reset() {
    this.requests.clear();
  }

  /** @param {Conversation} conversation @param {Which} which @param {string[]} params */
  request(conversation, which, ...params) {
    if (!this.link.has("draft/chathistory") || !conversation.name) return;
    const label = this.link.nextLabel();
    this.requests.set(label, { conversation, which });
    this.link.sendTagged({ label }, "CHATHISTORY", ...params);
  }

  /**
   * Request the last lines, or those that are not here yet.
   * @param {Conversation} conversation
   */
  fetch(conversation) {
    const last = conversation.lastStored();
    conversation.isKnown = true;
    if (last) this.fetchAfter(conversation, `timestamp=${new Date(last.time - 1).toISOString()}`);
    else this.request(conversation, "latest", "LATEST", conversation.name, "*", String(PAGE));
  }

  /** @param {Conversation} conversation @param {string} place */
  fetchAfter(conversation, place) {
    this.request(conversation, "missed", "AFTER", conversation.name, place, String(MISSED_PAGE));
  }

  /**
   * Request what is before the first line.
   * @param {Conversation} conversation
   */
  fetchOlder(conversation) {
    const first = conversation.lines.find((line) => line.id);
    const isLoading = [...this.requests.values()].some((request) => request.conversation === conversation);
    if (first && conversation.hasOlder && !isLoading)
      this.request(conversation, "older", "BEFORE", conversation.name, `msgid=${first.id}`, String(PAGE));
  }

  /** Request the names of those with whom the user has talked. */
  fetchNames() {
    const at = (/** @type {number} */ time) => `timestamp=${new Date(time).toISOString()}`;
    const now = this.link.now();
    if (this.link.has("draft/chathistory"))
      this.link.send("CHATHISTORY", "TARGETS", at(now + 60000), at(now - DAYS * 86400000), "50");
  }

  /**
   * Take the messages of a batch; more are requested if the user has missed more.
   * @param {string} label @param {Message[]} messages
   */
  receive(label, messages) {
    const request = this.requests.get(label);
    if (!request) return;
    this.requests.delete(label);
    const { conversation, which } = request;
    if (which !== "missed" && messages.length < PAGE) conversation.hasOlder = false;
    this.onMessages(conversation, messages, which);
    const last = messages.at(-1)?.tags["msgid"];
    if (which === "missed" && messages.length >= MISSED_PAGE && last) this.fetchAfter(conversation, `msgid=${last}`);
  }
}
