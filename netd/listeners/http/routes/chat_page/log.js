// The lines of the conversation that is shown. Lines that are added are drawn alone.
import { Conversation, isEvent, isSaid } from "./conversation.js";
import { at, button, make, moveFocus, rich } from "./dom.js";
import { fold } from "./irc.js";

/**
 * @typedef {import("./conversation.js").Line} Line
 * @typedef {{day: string, fold: {element: HTMLElement, counts: number[]} | null, mark: number}} End
 *   what the last drawn line belongs to
 */

const SHOWN = 200; // lines at first; more come as the reader scrolls up
const MAX_SHOWN = 800; // after which those at the top are left out again, unless the reader is there
const SPOKEN = 5; // lines that wait for a screen reader

const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** @param {string} nick */
function hue(nick) {
  let sum = 0;
  for (const char of fold(nick)) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return sum;
}

/** @param {Line} line */
function drawTime({ time }) {
  const date = new Date(time);
  return make("time", { datetime: date.toISOString(), title: date.toLocaleString() }, CLOCK.format(date));
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
    this.isAtEnd = true;
    this.scroll = at("#scroll");
    this.log = at("#log");
    this.conversation = new Conversation("");
    /** @type {Line | undefined} */
    this.first = undefined; // the first line that is drawn
    /** @type {Map<Line, HTMLElement>} */
    this.drawn = new Map();
    /** @type {WeakMap<Element, Line>} */
    this.lineOf = new WeakMap();
    /** @type {End} */
    this.end = { day: "", fold: null, mark: 0 };
    this.tools = make("span", { class: "tools" });
    this.scroll.addEventListener("scroll", () => this.onScroll());
    this.scroll.addEventListener("keydown", (event) => moveFocus(event, this.drawn.values()));
    for (const name of ["pointerover", "focusin"]) this.log.addEventListener(name, (event) => this.showTools(event));
    const watcher = new ResizeObserver(() => this.isAtEnd && this.scrollToEnd());
    for (const element of [this.log, this.scroll]) watcher.observe(element);
  }

  /** @param {Conversation} conversation whose last lines are drawn */
  show(conversation) {
    this.conversation = conversation;
    this.isAtEnd = true;
    at("#spoken").replaceChildren();
    this.draw(conversation.lines.slice(-SHOWN));
  }

  /** Draw the same lines again, some of which have changed or moved. */
  redraw() {
    const { lines } = this.conversation;
    const start = this.first ? lines.indexOf(this.first) : -1;
    this.draw(start < 0 || this.isAtEnd ? lines.slice(-SHOWN) : lines.slice(start));
  }

  /** @param {Line[]} lines */
  draw(lines) {
    const { scrollTop } = this.scroll;
    const fragment = document.createDocumentFragment();
    this.drawn.clear();
    this.first = lines[0];
    this.end = { day: "", fold: null, mark: 0 };
    for (const line of lines) this.put(fragment, this.end, line);
    this.log.replaceChildren(fragment);
    if (this.isAtEnd) this.scrollToEnd();
    else this.scroll.scrollTop = scrollTop;
    if (this.scroll.scrollHeight <= this.scroll.clientHeight) this.owner.askOlder();
  }

  /** @param {Line} line that is the last one now */
  add(line) {
    if (line !== this.conversation.lines.at(-1)) return this.redraw();
    if (this.isAtEnd && this.drawn.size >= MAX_SHOWN) return this.redraw();
    this.first ??= line;
    this.put(this.log, this.end, line);
    this.speak(line);
    if (line.state) this.isAtEnd = true;
    if (this.isAtEnd) this.scrollToEnd();
    else if (isSaid(line)) at("#down").hidden = false;
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

  /** Draw more lines above, and keep those that are read where they are. Returns whether there are. */
  showOlder() {
    const { lines } = this.conversation;
    const start = this.first ? lines.indexOf(this.first) : lines.length;
    const older = lines.slice(Math.max(0, start - SHOWN), Math.max(0, start));
    if (!older.length) return false;
    const { scrollHeight, scrollTop } = this.scroll;
    const later = this.drawn;
    const fragment = document.createDocumentFragment();
    /** @type {End} */
    const end = { day: "", fold: null, mark: this.end.mark };
    this.drawn = new Map();
    for (const line of older) this.put(fragment, end, line);
    for (const [line, element] of later) this.drawn.set(line, element);
    if (this.first && new Date(this.first.time).toDateString() === end.day) this.log.querySelector(".date")?.remove();
    this.first = older[0];
    this.end.mark = end.mark;
    this.log.prepend(fragment);
    this.scroll.scrollTop = this.isAtEnd ? this.scroll.scrollHeight : scrollTop + this.scroll.scrollHeight - scrollHeight;
    return true;
  }

  /**
   * Draw a line after others: with its date, the mark of what is new, and folded if it is an event.
   * @param {DocumentFragment | HTMLElement} parent @param {End} end @param {Line} line
   */
  put(parent, end, line) {
    const day = new Date(line.time).toDateString();
    const { mark } = this.conversation;
    const isNew = mark > 0 && mark !== end.mark && line.time > mark && !line.isOwn && isSaid(line);
    if (day !== end.day || isNew || !isEvent(line)) end.fold = null;
    if (day !== end.day) parent.append(make("div", { class: "date" }, make("span", {}, DAY.format(line.time))));
    if (isNew) {
      at("#new")?.remove();
      parent.append(make("div", { class: "new", id: "new" }, make("span", {}, "new")));
      end.mark = mark;
    }
    end.day = day;
    if (isEvent(line)) this.putEvent(parent, end, line);
    else parent.append(this.drawLine(line));
  }

  /** @param {DocumentFragment | HTMLElement} parent @param {End} end @param {Line} line */
  putEvent(parent, end, line) {
    const row = make("div", {}, drawTime(line), ` ${line.text}`);
    if (!end.fold) {
      end.fold = { element: make("div", { class: "events" }, row), counts: [0, 0, 0] };
      parent.append(end.fold.element);
    } else if (end.fold.element.firstElementChild?.tagName === "DIV")
      end.fold.element.replaceChildren(make("details", {}, make("summary"), ...end.fold.element.children, row));
    else end.fold.element.firstElementChild?.append(row);
    const { counts, element } = end.fold;
    const kind = ["join", "leave", "change"].indexOf(line.kind);
    counts[kind] = (counts[kind] ?? 0) + 1;
    const words = ["joined", "left", counts[2] === 1 ? "change" : "changes"];
    const summary = element.querySelector("summary");
    if (summary)
      summary.textContent = words.flatMap((word, index) => (counts[index] ? `${counts[index]} ${word}` : [])).join(", ");
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
    this.isAtEnd = scrollHeight - scrollTop - clientHeight < 40;
    if (this.isAtEnd) at("#down").hidden = true;
    this.owner.watch();
    if (scrollTop < clientHeight && !this.showOlder()) this.owner.askOlder();
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
