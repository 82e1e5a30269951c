// The box to write in: drafts, completion, and what was written before.
import { completions } from "./commands.js";
import { at, recall, remember } from "./dom.js";

const MAX_SENT = 100;
const TYPING_EVERY_MS = 3000;

export class Box {
  /** @param {import("./model.js").Model} model @param {(text: string) => void} onSubmit */
  constructor(model, onSubmit) {
    this.model = model;
    this.onSubmit = onSubmit;
    this.area = /** @type {HTMLTextAreaElement} */ (at("#box"));
    /** @type {string[]} */
    this.sent = [];
    this.sentAt = 0;
    /** @type {{before: string, found: string[], index: number} | null} */
    this.completion = null;
    this.typedAt = 0;
    this.area.addEventListener("keydown", (event) => this.onKey(event));
    this.area.addEventListener("input", () => this.onInput());
    at("#write").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  /** Show what was written, and not sent, in the conversation that is shown now. */
  load() {
    const { current, server } = this.model;
    this.set(recall(this.draftKey()));
    this.area.placeholder = current === server ? "/join channel, or /help" : `Message ${current.name}`;
    if (matchMedia("(pointer: fine)").matches) this.area.focus();
  }

  draftKey() {
    return `draft ${this.model.current.key}`;
  }

  /** @param {string} value */
  set(value) {
    this.area.value = value;
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight + 2}px`;
    remember(this.draftKey(), value);
  }

  onInput() {
    this.completion = null;
    this.set(this.area.value);
    const { current, link, server } = this.model;
    if (current === server || this.area.value.startsWith("/")) return;
    const isActive = this.area.value !== "";
    if (isActive ? Date.now() - this.typedAt < TYPING_EVERY_MS : !this.typedAt) return;
    this.typedAt = isActive ? Date.now() : 0;
    link.sendTagged({ "+typing": isActive ? "active" : "done" }, "TAGMSG", current.name);
  }

  submit() {
    const text = this.area.value.trimEnd();
    if (text) this.onSubmit(text);
  }

  /** @param {string} text that is sent now */
  clear(text) {
    this.sent = [...this.sent.filter((other) => other !== text), text].slice(-MAX_SENT);
    this.sentAt = this.sent.length;
    this.typedAt = 0;
    this.set("");
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { selectionStart, selectionEnd, value } = this.area;
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Tab" && !event.shiftKey && this.complete()) event.preventDefault();
    else if (event.key === "ArrowUp" && selectionStart === 0) this.recall(-1, event);
    else if (event.key === "ArrowDown" && selectionEnd === value.length) this.recall(1, event);
  }

  complete() {
    const place = this.area.selectionStart;
    if (!this.completion) {
      const before = this.area.value.slice(0, place);
      const found = completions(this.model, before);
      if (!found.length) return false;
      this.completion = { before: before.replace(/\S*$/, ""), found, index: -1 };
    }
    const { before, found } = this.completion;
    this.completion.index = (this.completion.index + 1) % found.length;
    const value = before + (found[this.completion.index] ?? "");
    this.set(value + this.area.value.slice(place));
    this.area.setSelectionRange(value.length, value.length);
    return true;
  }

  /** @param {number} step @param {KeyboardEvent} event */
  recall(step, event) {
    const next = this.sentAt + step;
    if (next < 0 || next > this.sent.length) return;
    event.preventDefault();
    this.sentAt = next;
    this.set(this.sent[next] ?? "");
    const place = step > 0 ? this.area.value.length : 0;
    this.area.setSelectionRange(place, place);
  }
}
