// The document: lists, lines and the box to write in. Text enters it as text, never as HTML.
import { completions, runCommand } from "./commands.js";
import { fold, isChannel, parts } from "./irc.js";
import { isSaid } from "./model.js";

/**
 * @typedef {import("./model.js").Conversation} Conversation
 * @typedef {import("./model.js").Line} Line
 */

const SHOWN = 200; // lines at first; more come as the reader scrolls up
const REACTIONS = ["👍", "❤️", "😂", "🎉", "👀", "✅"];
const ASK_LINES = 5; // a text with as many lines is sent after a question

/** @param {string} selector @returns {HTMLElement} */
export function at(selector) {
  return /** @type {HTMLElement} */ (document.querySelector(selector));
}

/**
 * @param {string} tag @param {Record<string, any>} [facts] attributes, and listeners by onNAME
 * @param {(Node | string)[]} children
 */
export function make(tag, facts = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(facts))
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== "") element.setAttribute(name, value === true ? "" : String(value));
  element.append(...children);
  return element;
}

/**
 * @param {string | Node[]} content @param {() => void} onclick @param {Record<string, any>} [facts]
 */
function button(content, onclick, facts = {}) {
  return make("button", { type: "button", onclick, ...facts }, ...[content].flat());
}

/** @param {string} nick */
function hue(nick) {
  let sum = 0;
  for (const char of fold(nick)) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return sum;
}

const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** @param {number} time */
function dayOf(time) {
  return new Date(time).toDateString();
}

export class View {
  constructor() {
    this.isStarted = false;
    this.model = /** @type {import("./model.js").Model} */ (/** @type {unknown} */ (null));
    this.shown = SHOWN;
    this.reply = "";
    this.isAtEnd = true;
    this.log = at("#log");
    this.box = /** @type {HTMLTextAreaElement} */ (at("#box"));
    /** @type {string[]} */
    this.sent = [];
    this.sentAt = 0;
    /** @type {{before: string, found: string[], index: number} | null} */
    this.completion = null;
    this.typedAt = 0;
    /** @type {Map<string, () => void>} */
    this.draws = new Map();
  }

  /** @param {import("./model.js").Model} model */
  start(model) {
    this.model = model;
    this.isStarted = true;
    at("#scroll").addEventListener("scroll", () => this.onScroll());
    this.box.addEventListener("keydown", (event) => this.onKey(event));
    this.box.addEventListener("input", () => this.onInput());
    at("#write").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    at("#menu").addEventListener("click", () => this.toggle("list"));
    at("#who").addEventListener("click", () => this.toggle("people"));
    at("#find").addEventListener("click", () => this.openSwitcher());
    at("#bell").addEventListener("click", () => this.permitAlerts());
    at("#noreply").addEventListener("click", () => this.setReply(""));
    document.addEventListener("keydown", (event) => this.onGlobalKey(event));
    const watch = () => {
      model.isWatched = document.hasFocus() && document.visibilityState === "visible";
      if (model.isWatched && this.isAtEnd) model.markRead(model.current);
      this.listed();
    };
    for (const name of ["focus", "blur", "visibilitychange"]) addEventListener(name, watch);
    addEventListener("resize", () => this.isAtEnd && this.scrollToEnd());
    setInterval(() => this.showTyping(), 2000);
    this.showAll();
  }

  // What the model calls

  /** @param {Conversation} conversation @param {string} what @param {Line} [line] */
  changed(conversation, what, line) {
    if (!this.isStarted) return;
    if (what === "show") this.show(conversation.name);
    if (conversation !== this.model.current) return;
    if (what === "line" && line) this.addLine(line);
    else if (what === "state" && line) this.replaceLine(line);
    else if (what === "lines") this.showLines();
    else if (what === "older") this.showOlder();
    else if (what === "people") this.later(() => this.showPeople());
    else if (what === "topic") this.showTopic();
    else if (what === "typing") this.showTyping();
  }

  listed() {
    this.later(() => this.showList());
  }

  /**
   * Draw once for all changes of a moment.
   * @param {() => void} draw
   */
  later(draw) {
    if (!this.isStarted) return;
    const key = String(draw);
    if (!this.draws.size) requestAnimationFrame(() => {
      const draws = [...this.draws.values()];
      this.draws.clear();
      for (const each of draws) each();
    });
    this.draws.set(key, draw);
  }

  /** @param {Conversation} conversation @param {Line} line */
  alert(conversation, line) {
    if (globalThis.Notification?.permission !== "granted" || document.hasFocus()) return;
    const title = conversation.isChannel ? `${line.nick} in ${conversation.name}` : line.nick;
    const note = new Notification(title, { body: line.text, tag: conversation.key });
    note.onclick = () => {
      focus();
      this.show(conversation.name);
    };
  }

  /** @param {import("./irc.js").Message[]} messages */
  found(messages) {
    const rows = messages.map(({ tags, nick, params }) => {
      const when = new Date(tags["time"] ?? 0).toLocaleString();
      return make("li", {}, make("time", {}, when), ` ${params[0]} `, make("b", {}, nick), " ", ...this.rich(params[1] ?? ""));
    });
    this.ask(`${rows.length || "Nothing"} found`, make("ul", { class: "found" }, ...rows.reverse()));
  }

  async permitAlerts() {
    const answer = await Notification.requestPermission();
    at("#bell").hidden = answer !== "default";
  }

  // Conversations

  /** @param {string} name */
  show(name) {
    const { model } = this;
    this.keepDraft();
    model.show(model.open(name));
    this.shown = SHOWN;
    this.setReply("");
    this.box.value = localStorage.getItem(this.draftKey()) ?? "";
    this.grow();
    at("body").dataset.open = "";
    this.showAll();
    if (matchMedia("(pointer: fine)").matches) this.box.focus();
  }

  draftKey() {
    return `draft ${this.model.current.key}`;
  }

  keepDraft() {
    if (this.box.value) localStorage.setItem(this.draftKey(), this.box.value);
    else localStorage.removeItem(this.draftKey());
  }

  showAll() {
    this.isAtEnd = true;
    this.showList();
    this.showTopic();
    this.showPeople();
    this.showLines();
    this.showTyping();
  }

  showList() {
    const { model } = this;
    let unread = 0;
    let important = 0;
    const items = model.sorted().map((each) => {
      unread += each.unread;
      important += each.mentions;
      const name = each === model.server ? model.network || "Server" : each.name;
      const count = each.mentions || each.unread;
      const meaning = each.mentions ? ` for you, ${each.unread} unread` : " unread";
      const badge = make("b", { class: each.mentions ? "badge important" : "badge" }, count > 99 ? "99+" : String(count),
        make("span", { class: "sr" }, meaning));
      const content = [make("span", {}, name), ...(count ? [badge] : [])];
      return make("li", {}, button(content, () => this.show(each.name), {
        "aria-current": each === model.current && "true",
        class: each.isChannel && !each.isJoined && "gone",
      }));
    });
    at("#conversations").replaceChildren(...items);
    const name = model.current === model.server ? model.network || "Chat" : model.current.name;
    document.title = `${important ? `(${important}) ` : unread ? "• " : ""}${name}`;
  }

  showTopic() {
    const { current, server, network } = this.model;
    at("#name").textContent = current === server ? network || "Server" : current.name;
    at("#topic").replaceChildren(...this.rich(current.topic));
    at("#who").hidden = !current.isChannel;
    this.box.placeholder = current === server ? "/join #channel, or /help" : `Message ${current.name}`;
  }

  showPeople() {
    const { current } = this.model;
    const rank = (/** @type {string} */ prefix) => "~&@%+".indexOf(prefix || "z") >>> 0;
    const people = [...current.people.values()];
    people.sort((a, b) => rank(a.prefix) - rank(b.prefix) || fold(a.nick).localeCompare(fold(b.nick)));
    at("#count").textContent = String(people.length);
    const items = people.map(({ nick, prefix, isAway }) =>
      make("li", {}, button(`${prefix}${nick}`, () => this.show(nick), isAway ? { class: "away", title: "away" } : {})));
    at("#members").replaceChildren(...items);
  }

  showTyping() {
    const { current } = this.model;
    const now = Date.now();
    const typing = [...current.typing].filter(([, until]) => until > now).map(([nick]) => current.people.get(nick)?.nick ?? nick);
    const names = typing.length > 3 ? "Several people" : typing.join(", ");
    at("#typing").textContent = typing.length ? `${names} ${typing.length > 1 ? "are" : "is"} typing…` : "";
  }

  // Lines

  /**
   * The lines from a place on, with dates, the mark of what is new, and folded events.
   * @param {Line[]} lines
   */
  *drawLines(lines) {
    const { current } = this.model;
    let day = "";
    let hasMark = false;
    /** @type {Line[]} */
    let events = [];
    for (const line of lines) {
      /** @type {boolean} */
      const isNew = !hasMark && current.mark > 0 && line.time > current.mark && !line.isOwn && line.kind !== "event";
      const isOtherDay = dayOf(line.time) !== day;
      if (events.length && (line.kind !== "event" || isOtherDay)) {
        yield this.drawEvents(events);
        events = [];
      }
      if (isOtherDay) yield make("div", { class: "date" }, make("span", {}, DAY.format(line.time)));
      day = dayOf(line.time);
      if (isNew) yield make("div", { class: "new", id: "new" }, make("span", {}, "new"));
      hasMark ||= isNew;
      if (line.kind === "event") events.push(line);
      else yield this.drawLine(line);
    }
    if (events.length) yield this.drawEvents(events);
  }

  /** @param {Line[]} events */
  drawEvents(events) {
    const rows = events.map((line) => make("div", {}, this.drawTime(line), ` ${line.text}`));
    if (events.length === 1) return make("div", { class: "events" }, ...rows);
    const count = (/** @type {RegExp} */ word) => events.filter((line) => word.test(line.text)).length;
    const joined = count(/ joined$/);
    const left = count(/ (left|quit)( |$)/);
    const others = events.length - joined - left;
    const words = [[joined, "joined"], [left, "left"], [others, others === 1 ? "change" : "changes"]];
    const summary = words.filter(([number]) => number).map(([number, word]) => `${number} ${word}`).join(", ");
    return make("div", { class: "events" }, make("details", {}, make("summary", {}, summary), ...rows));
  }

  /** @param {Line} line */
  drawTime(line) {
    const date = new Date(line.time);
    return make("time", { datetime: date.toISOString(), title: date.toLocaleString() }, CLOCK.format(date));
  }

  /** @param {Line} line */
  drawLine(line) {
    const { current } = this.model;
    const text = make("span", { class: "text" });
    const quoted = line.reply ? this.model.find(current, line.reply) : undefined;
    if (line.reply)
      text.append(button(quoted ? `${quoted.nick}: ${quoted.text.slice(0, 80) || "…"}` : "an earlier message",
        () => this.reveal(line.reply), { class: "quote" }));
    if (line.isDeleted) text.append(make("em", {}, "deleted"));
    else text.append(...this.rich(line.text));
    if (line.state === "pending") text.append(make("i", { class: "state" }, " sending…"));
    if (line.state === "failed")
      text.append(" ", button("Not sent: try again", () => this.model.sendAgain(current, line), { class: "failed" }));
    const reactions = [...line.reactions].map(([what, nicks]) => {
      const title = [...nicks].join(", ");
      return button(`${what} ${nicks.size}`, () => this.react(line, what), { title, "aria-label": `${what} by ${title}` });
    });
    if (reactions.length) text.append(make("span", { class: "reactions" }, ...reactions));
    const children = [this.drawTime(line)];
    const nick = make("b", { class: "nick" }, line.kind === "action" ? `* ${line.nick}` : line.nick);
    nick.style.setProperty("--hue", String(hue(line.nick)));
    children.push(isSaid(line) ? nick : make("b", { class: "nick" }, "–"), text);
    if (isSaid(line) && line.id && !line.isDeleted) children.push(this.drawTools(line));
    const facts = { class: `line ${line.kind}${line.isMention ? " mention" : ""}${line.isOwn ? " own" : ""}`, "data-key": line.key };
    return make("div", facts, ...children);
  }

  /** @param {Line} line */
  drawTools(line) {
    const tools = [
      button("↩", () => this.setReply(line.id), { title: "Reply", "aria-label": `Reply to ${line.nick}` }),
      button("☺", () => this.chooseReaction(line), { title: "React", "aria-label": `React to ${line.nick}` }),
    ];
    if (line.isOwn && this.model.link.has("draft/message-redaction"))
      tools.push(button("✕", () => this.remove(line), { title: "Delete", "aria-label": "Delete" }));
    return make("span", { class: "tools" }, ...tools);
  }

  /** @param {string} text */
  rich(text) {
    return parts(text).map(({ text, url, channel }) => {
      if (channel) return button(text, () => this.enter(channel), { class: "channel" });
      return url ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text) : text;
    });
  }

  showLines() {
    const { lines } = this.model.current;
    const shown = lines.slice(-Math.max(this.shown, SHOWN));
    this.shown = shown.length;
    this.log.replaceChildren(...this.drawLines(shown));
    if (this.isAtEnd) this.scrollToEnd();
    const scroll = at("#scroll");
    if (scroll.scrollHeight <= scroll.clientHeight) this.model.askOlder(this.model.current);
  }

  /** Show more lines above, and keep those that are read where they are. */
  showOlder() {
    const { lines } = this.model.current;
    if (!this.shown) return this.showLines();
    const older = lines.slice(-this.shown - SHOWN, -this.shown);
    const scroll = at("#scroll");
    const before = scroll.scrollHeight - scroll.scrollTop;
    const next = lines[lines.length - this.shown];
    const last = older.at(-1);
    if (next && last && dayOf(next.time) === dayOf(last.time)) this.log.querySelector(".date")?.remove();
    this.shown += older.length;
    this.log.prepend(...this.drawLines(older));
    if (this.isAtEnd) this.scrollToEnd();
    else scroll.scrollTop = scroll.scrollHeight - before;
  }

  /** @param {Line} line */
  addLine(line) {
    const { lines } = this.model.current;
    const before = lines[lines.length - 2];
    this.shown += 1;
    if (!before || line.kind === "event" || dayOf(before.time) !== dayOf(line.time)) this.later(() => this.showLines());
    else this.log.append(this.drawLine(line));
    if (this.isAtEnd || line.isOwn) this.scrollToEnd();
    else at("#down").hidden = false;
  }

  /** @param {Line} line */
  replaceLine(line) {
    const found = this.log.querySelector(`[data-key="${line.key}"]`);
    if (found) found.replaceWith(this.drawLine(line));
  }

  scrollToEnd() {
    const scroll = at("#scroll");
    scroll.scrollTop = scroll.scrollHeight;
    at("#down").hidden = true;
  }

  onScroll() {
    const scroll = at("#scroll");
    const { model } = this;
    this.isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
    if (this.isAtEnd) at("#down").hidden = true;
    if (this.isAtEnd && model.isWatched && model.current.unread) model.markRead(model.current);
    if (scroll.scrollTop > 200) return;
    if (this.shown < model.current.lines.length) this.showOlder();
    else model.askOlder(model.current);
  }

  /** @param {string} id */
  reveal(id) {
    const line = this.model.find(this.model.current, id);
    const found = line && this.log.querySelector(`[data-key="${line.key}"]`);
    found?.scrollIntoView({ block: "center" });
    found?.animate([{ background: "var(--mark)" }, {}], 1200);
  }

  // What is done with a line

  /** @param {string} id */
  setReply(id) {
    this.reply = id;
    const line = this.model.find(this.model.current, id);
    at("#reply").hidden = !line;
    at("#replied").textContent = line ? `Reply to ${line.nick}: ${line.text.slice(0, 80)}` : "";
    if (line) this.box.focus();
  }

  /** @param {Line} line */
  chooseReaction(line) {
    const choose = (/** @type {string} */ what) => {
      this.react(line, what);
      this.dialog().close();
    };
    const buttons = REACTIONS.map((what) => make("button", { type: "button", onclick: () => choose(what) }, what));
    this.ask("React", make("div", { class: "choices" }, ...buttons));
  }

  /** @param {Line} line @param {string} what */
  react(line, what) {
    const { current, link } = this.model;
    link.sendTagged({ "+draft/react": what, "+draft/reply": line.id }, "TAGMSG", current.name);
    if (!link.has("echo-message")) line.reactions.set(what, (line.reactions.get(what) ?? new Set()).add(link.nick));
  }

  /** @param {Line} line */
  remove(line) {
    const { current, link } = this.model;
    this.confirm("Delete this message?", make("p", {}, line.text), "Delete", () => link.send("REDACT", current.name, line.id));
  }

  dialog() {
    return /** @type {HTMLDialogElement} */ (at("#dialog"));
  }

  /** @param {string} title @param {Node[]} children */
  ask(title, ...children) {
    const dialog = this.dialog();
    const close = button("Close", () => dialog.close(), { class: "close" });
    dialog.replaceChildren(make("h2", { id: "asked" }, title), ...children, close);
    if (!dialog.open) dialog.showModal();
    dialog.onclose = () => this.box.focus();
  }

  /** @param {string} title @param {Node} content @param {string} label @param {() => void} act */
  confirm(title, content, label, act) {
    this.ask(title, content, button(label, () => {
      this.dialog().close();
      act();
    }));
  }

  // Writing

  onInput() {
    this.grow();
    this.completion = null;
    this.keepDraft();
    const { model } = this;
    if (model.current === model.server || this.box.value.startsWith("/")) return;
    if (!this.box.value || Date.now() - this.typedAt < 3000 || !model.link.has("message-tags")) return;
    this.typedAt = Date.now();
    model.link.sendTagged({ "+typing": "active" }, "TAGMSG", model.current.name);
  }

  grow() {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight + 2, innerHeight / 3)}px`;
  }

  submit() {
    const { model } = this;
    const text = this.box.value.replace(/\s+$/, "");
    if (!text) return;
    const lines = text.split("\n").length;
    const isCommand = /^\/[^/\s]/.test(text) && lines === 1;
    const content = make("pre", {}, text.slice(0, 2000));
    if (lines < ASK_LINES || isCommand) this.send(text, isCommand);
    else this.confirm(`Send ${lines} lines to ${model.current.name}?`, content, `Send ${lines} lines`, () => this.send(text, false));
  }

  /** @param {string} text @param {boolean} isCommand */
  send(text, isCommand) {
    const { model } = this;
    const { current } = model;
    this.sent = [...this.sent.filter((each) => each !== text), text].slice(-100);
    this.sentAt = this.sent.length;
    this.box.value = "";
    this.grow();
    this.keepDraft();
    this.isAtEnd = true;
    this.typedAt = 0;
    if (isCommand) runCommand({ model, conversation: current, show: (name) => this.show(name), enter: (name) => this.enter(name) }, text.slice(1));
    else if (current === model.server) model.note(current, { kind: "error", text: "Choose a conversation first, or /join #channel" });
    else model.say(current, text.replace(/^\/\//, "/"), this.reply);
    this.setReply("");
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Tab" && !event.shiftKey && this.complete()) event.preventDefault();
    else if (event.key === "ArrowUp" && this.box.selectionStart === 0) this.recall(-1, event);
    else if (event.key === "ArrowDown" && this.box.selectionEnd === this.box.value.length) this.recall(1, event);
    else if (event.key === "Escape") this.setReply("");
  }

  complete() {
    const place = this.box.selectionStart;
    if (!this.completion) {
      const before = this.box.value.slice(0, place);
      const found = completions(this.model, before);
      if (!found.length) return false;
      this.completion = { before: before.replace(/\S*$/, ""), found, index: -1 };
    }
    const { before, found } = this.completion;
    this.completion.index = (this.completion.index + 1) % found.length;
    const value = before + (found[this.completion.index] ?? "");
    this.box.value = value + this.box.value.slice(place);
    this.box.setSelectionRange(value.length, value.length);
    return true;
  }

  /** @param {number} step @param {KeyboardEvent} event */
  recall(step, event) {
    /** @type {number} */
    const next = this.sentAt + step;
    if (next < 0 || next > this.sent.length || !this.sent.length) return;
    event.preventDefault();
    this.sentAt = next;
    this.box.value = this.sent[next] ?? "";
    this.box.setSelectionRange(0, 0);
    if (step > 0) this.box.setSelectionRange(this.box.value.length, this.box.value.length);
    this.grow();
  }

  // Moving about

  /** @param {string} pane */
  toggle(pane) {
    const { dataset } = at("body");
    dataset.open = dataset.open === pane ? "" : pane;
    at("#menu").setAttribute("aria-expanded", String(dataset.open === "list"));
    at("#who").setAttribute("aria-expanded", String(dataset.open === "people"));
  }

  /** @param {KeyboardEvent} event */
  onGlobalKey(event) {
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.openSwitcher();
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      this.step(event.key === "ArrowUp" ? -1 : 1);
    } else if (event.altKey && event.key === "a") {
      event.preventDefault();
      const all = this.model.sorted();
      const next = all.find((each) => each.mentions) ?? all.find((each) => each.unread);
      if (next) this.show(next.name);
    } else if (event.key === "Escape") at("body").dataset.open = "";
  }

  /** @param {number} by */
  step(by) {
    const all = this.model.sorted();
    const index = all.findIndex((each) => each === this.model.current);
    const next = all[(index + by + all.length) % all.length];
    if (next) this.show(next.name);
  }

  /**
   * Show a conversation; a channel is joined first.
   * @param {string} name
   */
  enter(name) {
    const { model } = this;
    if (!isChannel(name) || model.conversations.get(fold(name))?.isJoined) this.show(name);
    else {
      model.wanted.add(fold(name));
      model.link.send("JOIN", name);
    }
  }

  openSwitcher() {
    const list = make("ul", {});
    const field = /** @type {HTMLInputElement} */ (make("input", { type: "search", "aria-label": "Conversation", placeholder: "Conversation, nick or #channel" }));
    const draw = () => {
      const wanted = field.value.toLowerCase();
      const names = this.model.sorted().filter((each) => each.name).map((each) => each.name);
      const people = [...this.model.current.people.values()].map((person) => person.nick);
      const found = [...new Set([...names, ...people])].filter((name) => name.toLowerCase().includes(wanted));
      if (field.value && !found.includes(field.value)) found.push(field.value.trim());
      const rows = found.slice(0, 10).map((name) => make("li", {}, button(name, () => go(name))));
      list.replaceChildren(...rows);
    };
    const go = (/** @type {string} */ name) => {
      this.dialog().close();
      this.enter(name);
    };
    field.addEventListener("input", draw);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") list.querySelector("button")?.click();
      if (event.key === "ArrowDown") list.querySelector("button")?.focus();
    });
    draw();
    this.ask("Go to", field, list);
    field.focus();
  }
}
