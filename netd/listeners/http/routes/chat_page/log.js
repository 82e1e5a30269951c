// The lines of the conversation that is shown. Lines that are added are drawn alone.
import { Conversation, isEvent, isSaid } from "./conversation.js";
import { at, button, make, moveFocus, rich } from "./dom.js";
import { fold } from "./irc.js";

/**
 * @typedef {import("./conversation.js").Line} Line
 * @typedef {{element: HTMLElement, lines: Line[]}} Chunk
 */

const CHUNK = 80; // lines that are drawn together
const MAX_CHUNKS = 10; // so that the document stays small while the reader goes through long history
const NEAR = 2; // heights of the window before the end of what is drawn, when more is drawn
const SPOKEN = 5; // lines that wait for a screen reader

/**
 * A format that is made when it is used first: that takes a good part of the time to the first paint.
 * @param {Intl.DateTimeFormatOptions} options
 */
function formatter(options) {
  /** @type {Intl.DateTimeFormat | undefined} */
  let made;
  return (/** @type {number} */ time) => (made ??= new Intl.DateTimeFormat(undefined, options)).format(time);
}

const formatDay = formatter({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const formatClock = formatter({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** @param {string} nick */
function hue(nick) {
  let sum = 0;
  for (const char of fold(nick)) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return sum;
}

/** @param {Line} line */
function drawTime({ time }) {
  const date = new Date(time);
  return make("time", { datetime: date.toISOString(), title: date.toLocaleString() }, formatClock(time));
}

/** @param {Line | undefined} line */
function dayOf(line) {
  return line && new Date(line.time).toDateString();
}

/** @param {Line | undefined} line */
export function quote(line) {
  return line ? `${line.nick}: ${line.text.slice(0, 80) || "…"}` : "an earlier message";
}

export class Log {
  /**
   * @param {{enter: (name: string) => void, drawTools: (line: Line) => Node[],
   *          react: (line: Line, what: string) => void, sendAgain: (line: Line) => void,
   *          askOlder: () => void, watch: () => void}} owner
   */
  constructor(owner) {
    this.owner = owner;
    this.conversation = new Conversation("");
    this.scroll = at("#scroll");
    this.log = at("#log");
    this.isAtEnd = true;
    /** @type {Chunk[]} */
    this.chunks = [];
    /** @type {Map<Line, HTMLElement>} */
    this.drawn = new Map();
    /** @type {WeakMap<Element, Line>} */
    this.lineOf = new WeakMap();
    /** @type {{row: HTMLElement, counts: number[]} | null} the events that the next one is folded with */
    this.fold = null;
    this.mark = 0; // after which the first new line was looked for
    /** @type {Line | undefined} */
    this.firstNew = undefined;
    this.tools = make("span", { class: "tools" });
    this.scroll.addEventListener("scroll", () => this.onScroll());
    this.scroll.addEventListener("keydown", (event) => moveFocus(event, this.log.querySelectorAll(".line")));
    for (const name of ["pointerover", "focusin"]) this.log.addEventListener(name, (event) => this.showTools(event));
    const watcher = new ResizeObserver(() => this.isAtEnd && this.scrollToEnd());
    for (const element of [this.log, this.scroll]) watcher.observe(element);
  }

  /** @param {Conversation} conversation whose last lines are drawn */
  show(conversation) {
    this.conversation = conversation;
    this.mark = -1;
    at("#spoken").replaceChildren();
    this.showEnd();
  }

  /** Draw the last lines. */
  showEnd() {
    this.isAtEnd = true;
    this.draw(this.conversation.lines.slice(-CHUNK));
    this.scrollToEnd();
    if (this.scroll.scrollHeight <= this.scroll.clientHeight && !this.showOlder()) this.owner.askOlder();
  }

  /** The place in the conversation of the first line that is drawn, and that after the last one. */
  range() {
    const { lines } = this.conversation;
    const first = this.chunks[0]?.lines[0];
    const last = this.chunks.at(-1)?.lines.at(-1);
    return [first ? lines.indexOf(first) : lines.length, last ? lines.lastIndexOf(last) + 1 : lines.length];
  }

  /** Draw the same lines again, some of which have changed or moved. */
  redraw() {
    const [start = 0, end] = this.range();
    if (this.isAtEnd || start < 0) this.showEnd();
    else this.keepPlace(() => this.draw(this.conversation.lines.slice(start, end)));
  }

  /** @param {Line[]} lines */
  draw(lines) {
    this.log.replaceChildren();
    this.drawn.clear();
    this.chunks = [];
    this.fold = null;
    for (const line of lines) this.append(line);
  }

  /** @param {Line} line that was inserted, as a rule at the end */
  add(line) {
    const { lines } = this.conversation;
    const isLast = line === lines.at(-1);
    if (isLast && lines.at(-2) === this.chunks.at(-1)?.lines.at(-1)) this.append(line);
    else if (line.state) this.showEnd();
    else if (!isLast || this.isAtEnd) this.redraw();
    this.speak(line);
    if (line.state) this.isAtEnd = true;
    if (this.isAtEnd) {
      this.dropChunks(0);
      this.scrollToEnd();
    } else if (isSaid(line)) at("#down").hidden = false;
  }

  /** @param {Line} line after those that are drawn */
  append(line) {
    let chunk = this.chunks.at(-1);
    const before = chunk?.lines.at(-1);
    if (!chunk || chunk.lines.length >= CHUNK) {
      chunk = { element: make("div"), lines: [] };
      this.chunks.push(chunk);
      this.log.append(chunk.element);
      this.fold = null;
    }
    this.put(chunk, line, before);
  }

  /**
   * Leave out chunks at one end, if there are too many.
   * @param {0 | -1} end
   */
  dropChunks(end) {
    while (this.chunks.length > MAX_CHUNKS) {
      const [chunk] = this.chunks.splice(end, 1);
      chunk?.element.remove();
      for (const line of chunk?.lines ?? []) this.drawn.delete(line);
      this.fold = end ? null : this.fold;
    }
  }

  /** Draw more lines above. Returns whether there are some. */
  showOlder() {
    const { lines } = this.conversation;
    const [start = 0] = this.range();
    const older = lines.slice(Math.max(0, start - CHUNK), Math.max(0, start));
    const [next] = this.chunks;
    if (!older.length || !next) return false;
    const { fold } = this;
    /** @type {Chunk} */
    const chunk = { element: make("div"), lines: [] };
    this.fold = null;
    for (const line of older) this.put(chunk, line, chunk.lines.at(-1));
    this.fold = fold;
    this.keepPlace(() => {
      if (dayOf(older.at(-1)) === dayOf(next.lines[0])) next.element.querySelector(".date")?.remove();
      this.chunks.unshift(chunk);
      this.log.prepend(chunk.element);
      this.dropChunks(-1);
    });
    return true;
  }

  /** Draw more lines below, if some are not drawn. */
  showNewer() {
    const { lines } = this.conversation;
    const [, end = 0] = this.range();
    if (end === lines.length) return;
    this.keepPlace(() => {
      for (const line of lines.slice(end, end + CHUNK)) this.append(line);
      this.dropChunks(0);
    });
  }

  /**
   * Change what is drawn, and leave what the reader sees where it is.
   * @param {() => void} change
   */
  keepPlace(change) {
    const top = this.scroll.getBoundingClientRect().top;
    const isSeen = (/** @type {Element | undefined} */ element) => element && element.getBoundingClientRect().bottom > top;
    const seen = this.chunks.find(({ element }) => isSeen(element))?.lines.find((line) => isSeen(this.drawn.get(line)));
    const place = () => seen && this.drawn.get(seen)?.getBoundingClientRect().top;
    const before = place();
    change();
    const after = place();
    if (this.isAtEnd) this.scrollToEnd();
    else if (before !== undefined && after !== undefined) this.scroll.scrollTop += after - before;
  }

  /**
   * Tell a screen reader of a line.
   * @param {Line} line
   */
  speak(line) {
    const spoken = at("#spoken");
    if (!line.isOwn && !isEvent(line)) spoken.append(make("p", {}, `${line.nick} ${line.text}`));
    if (spoken.childElementCount > SPOKEN) spoken.firstElementChild?.remove();
  }

  /** @param {Line} line */
  replace(line) {
    const element = this.drawn.get(line);
    element?.replaceWith(this.drawLine(line));
  }

  /**
   * Draw a line below those of a chunk: with its date, the mark of what is new, and folded if it is
   * an event.
   * @param {Chunk} chunk @param {Line} line @param {Line | undefined} before
   */
  put({ element, lines }, line, before) {
    const isOtherDay = dayOf(before) !== dayOf(line);
    if (isOtherDay) element.append(make("div", { class: "date" }, make("span", {}, formatDay(line.time))));
    if (line === this.findNew()) element.append(make("div", { class: "new", id: "new" }, make("span", {}, "new")));
    if (isOtherDay || !isEvent(line)) this.fold = null;
    if (isEvent(line)) this.putEvent(element, line);
    else element.append(this.drawLine(line));
    lines.push(line);
  }

  /** The first line that is new to the reader. */
  findNew() {
    const { lines, mark } = this.conversation;
    if (mark !== this.mark) {
      this.mark = mark;
      this.firstNew = mark ? lines.find((line) => line.time > mark && !line.isOwn && isSaid(line)) : undefined;
      at("#new")?.remove();
    }
    return this.firstNew;
  }

  /** @param {HTMLElement} parent @param {Line} line */
  putEvent(parent, line) {
    const text = make("div", {}, drawTime(line), ` ${line.text}`);
    if (!this.fold) {
      this.fold = { row: make("div", { class: "events" }, text), counts: [0, 0, 0] };
      parent.append(this.fold.row);
    }
    const { counts, row } = this.fold;
    if (!row.contains(text)) {
      const details = row.querySelector("details") ?? make("details", {}, make("summary"), ...row.children);
      details.append(text);
      row.replaceChildren(details);
    }
    const kind = ["join", "leave", "change"].indexOf(line.kind);
    counts[kind] = (counts[kind] ?? 0) + 1;
    const words = ["joined", "left", counts[2] === 1 ? "change" : "changes"];
    const summary = words.flatMap((word, index) => (counts[index] ? `${counts[index]} ${word}` : [])).join(", ");
    row.querySelector("summary")?.replaceChildren(summary);
    this.drawn.set(line, row);
  }

  /** @param {Line} line */
  drawLine(line) {
    const text = make("span", { class: "text" });
    if (line.reply)
      text.append(button(quote(this.conversation.byId.get(line.reply)), () => this.reveal(line.reply), { class: "quote" }));
    if (line.isDeleted) text.append(make("em", {}, "deleted"));
    else text.append(...rich(line.text, (name) => this.owner.enter(name)));
    if (line.state === "pending") text.append(make("i", { class: "state" }, " sending…"));
    if (line.state === "failed")
      text.append(" ", button("Not sent: try again", () => this.owner.sendAgain(line), { class: "failed" }));
    const reactions = [...line.reactions].map(([what, nicks]) => {
      const title = [...nicks].join(", ");
      return button(`${what} ${nicks.size}`, () => this.owner.react(line, what), { title, "aria-label": `${what} by ${title}` });
    });
    if (reactions.length) text.append(make("span", { class: "reactions" }, ...reactions));
    const nick = make("b", { class: "nick" }, isSaid(line) ? (line.kind === "action" ? "* " : "") + line.nick : "–");
    nick.style.setProperty("--hue", String(hue(line.nick)));
    const classes = ["line", line.kind, ...(line.isMention ? ["mention"] : []), ...(line.isOwn ? ["own"] : [])];
    const element = make("div", { class: classes.join(" "), tabindex: -1 }, drawTime(line), nick, text);
    this.drawn.set(line, element);
    this.lineOf.set(element, line);
    return element;
  }

  /**
   * Show what can be done with the line under the pointer, or with the focus.
   * @param {Event} event
   */
  showTools(event) {
    const element = /** @type {Element} */ (event.target).closest(".line");
    if (!element || element === this.tools.parentElement) return;
    const line = this.lineOf.get(element);
    if (!line?.id || line.isDeleted || !isSaid(line)) return;
    this.tools.replaceChildren(...this.owner.drawTools(line));
    element.append(this.tools);
  }

  scrollToEnd() {
    this.isAtEnd = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
    at("#down").hidden = true;
  }

  onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroll;
    const below = scrollHeight - scrollTop - clientHeight;
    if (below < NEAR * clientHeight) this.showNewer();
    this.isAtEnd = below < 40 && this.range()[1] === this.conversation.lines.length;
    if (this.isAtEnd) at("#down").hidden = true;
    this.owner.watch();
    if (scrollTop < NEAR * clientHeight && !this.showOlder()) this.owner.askOlder();
  }

  /** @param {string} id of the line to show */
  reveal(id) {
    const line = this.conversation.byId.get(id);
    while (line && !this.drawn.has(line)) if (!this.showOlder()) break;
    const found = line && this.drawn.get(line);
    found?.scrollIntoView({ block: "center" });
    found?.animate([{ background: "var(--mark)" }, {}], 1200);
  }
}
