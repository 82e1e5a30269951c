// Batches (IRCv3): messages that belong together.

/**
 * @typedef {import("./irc.js").Message} Message
 * @typedef {{target: string, type: string, messages: Message[], tags: Record<string, string>}} Batch
 */

export class Batches {
  /**
   * @param {{handle: (message: Message) => void, onFound: (messages: Message[]) => void,
   *          onHistory: (label: string, messages: Message[]) => void}} owner
   */
  constructor(owner) {
    this.owner = owner;
    /** @type {Map<string, Batch>} */
    this.open = new Map();
  }

  /** Forget the batches of a connection that is lost. */
  reset() {
    this.open.clear();
  }

  /**
   * Keep a message of a batch until its end, and pass on any other.
   * @param {Message} message
   */
  receive(message) {
    const batch = this.open.get(message.tags["batch"] ?? "");
    if (message.command === "BATCH") this.onBatch(message, batch);
    else if (batch) batch.messages.push(message);
    else this.owner.handle(message);
  }

  /** @param {Message} message @param {Batch} [outer] */
  onBatch(message, outer) {
    const [reference = "", type = "", target = ""] = message.params;
    const id = reference.slice(1);
    if (reference.startsWith("+")) {
      this.open.set(id, { target, type, messages: [], tags: message.tags });
      return;
    }
    const batch = this.open.get(id);
    this.open.delete(id);
    if (!batch) return;
    const { messages, tags } = batch;
    const label = (outer?.tags ?? tags)["label"] ?? "";
    if (batch.type === "chathistory") this.owner.onHistory(label, messages);
    else if (batch.type === "draft/search") this.owner.onFound(messages);
    else if (batch.type === "draft/multiline") this.onMultiline(batch);
    else for (const inner of messages) outer ? outer.messages.push(inner) : this.owner.handle(inner);
  }

  /**
   * Make one message of those of a batch.
   * @param {Batch} batch
   */
  onMultiline({ messages, tags, target }) {
    const [first] = messages;
    if (!first) return;
    const texts = messages.map((part, index) =>
      (index && !("draft/multiline-concat" in part.tags) ? "\n" : "") + (part.params[1] ?? ""));
    this.receive({ ...first, tags, params: [target, texts.join("")] });
  }
}
