// The document: the list of conversations, the heading, the members, and what the user does.
import { Box } from "./box.js";
import { runCommand } from "./commands.js";
import { choosePlace, chooseReaction, confirm, showFound } from "./dialogs.js";
import { at, button, make, moveFocus, remember, rich } from "./dom.js";
import { fold, isChannel } from "./irc.js";
import { Log, quote } from "./log.js";
import { Model } from "./model.js";

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").Line} Line
 */

const ASK_LINES = 5; // a text with as many lines is sent after a question
const RANKS = "~&@%+";
const TYPING_CHECK_MS = 2000;

export class View {
  /** @param {import("./link.js").Link} link */
  constructor(link) {
    /** @type {Set<() => void>} */
    this.draws = new Set();
    this.reply = "";
    this.model = new Model(link, this);
    this.log = new Log(this);
    this.box = new Box(this.model, (text) => this.submit(text));
    this.listen();
  }

  listen() {
    const onClick = (/** @type {string} */ selector, /** @type {() => void} */ act) => at(selector).addEventListener("click", act);
    onClick("#menu", () => this.toggle("list"));
    onClick("#who", () => this.toggle("people"));
    onClick("#scroll", () => this.toggle(""));
    onClick("#find", () => this.choosePlace());
    onClick("#bell", () => this.permitAlerts());
    onClick("#leave", () => this.leave());
    onClick("#noreply", () => this.setReply(""));
    onClick("#down", () => this.log.showEnd());
    onClick("#topic", () => confirm(this.model.current.name, this.model.current.topic, "OK", () => {}));
    for (const name of ["#list", "#people"])
      at(name).addEventListener("keydown", (event) => moveFocus(event, at(name).querySelectorAll("button")));
    document.addEventListener("keydown", (event) => this.onKey(event));
    for (const name of ["focus", "blur", "visibilitychange"]) addEventListener(name, () => this.watch());
    setInterval(() => this.onTyping(this.model.current), TYPING_CHECK_MS);
    at("#bell").hidden = globalThis.Notification?.permission !== "default";
  }

  /** Note whether the user sees the last line: then all lines are read. */
  watch() {
    const { model } = this;
    const wasWatched = model.isWatched;
    model.isWatched = this.log.isAtEnd && document.hasFocus() && document.visibilityState === "visible";
    if (model.isWatched && !wasWatched) model.markRead(model.current);
  }

  // What the model calls

  /** @param {Conversation} conversation @param {Line} line */
  onLine(conversation, line) {
    if (conversation === this.model.current) this.log.add(line);
  }

  /** @param {Conversation} conversation @param {Line} line */
  onLineChanged(conversation, line) {
    if (conversation === this.model.current) this.log.replace(line);
  }

  /** @param {Conversation} conversation */
  onLines(conversation) {
    if (conversation === this.model.current) this.log.redraw();
  }

  /** @param {Conversation} conversation */
  onOlder(conversation) {
    if (conversation === this.model.current) this.log.showOlder();
  }

  /** @param {Conversation} conversation */
  onPeople(conversation) {
    if (conversation === this.model.current) this.later(this.drawPeople);
  }

  /** @param {Conversation} conversation */
  onTopic(conversation) {
    if (conversation === this.model.current) this.later(this.drawHeading);
  }

  /** @param {Conversation} conversation */
  onTyping(conversation) {
    if (conversation === this.model.current) this.drawTyping();
  }

  /** @param {Conversation} conversation */
  onShow(conversation) {
    this.show(conversation.name);
  }

  onList() {
    this.later(this.drawList);
  }

  /** @param {import("./irc.js").Message[]} messages */
  onFound(messages) {
    showFound(messages, (name) => this.enter(name));
  }

  /** @param {Conversation} conversation @param {Line} line */
  onAlert(conversation, line) {
    if (globalThis.Notification?.permission !== "granted" || document.hasFocus()) return;
    const title = conversation.isChannel ? `${line.nick} in ${conversation.name}` : line.nick;
    try {
      const note = new Notification(title, { body: line.text, tag: conversation.key });
      note.onclick = () => {
        focus();
        this.show(conversation.name);
      };
    } catch {
      at("#bell").hidden = true; // Android has notifications of service workers only
    }
  }

  async permitAlerts() {
    await Notification.requestPermission();
    at("#bell").hidden = true;
  }

  // Drawing

  /**
   * Draw once for all changes of a moment.
   * @param {() => void} draw
   */
  later(draw) {
    if (!this.draws.size)
      requestAnimationFrame(() => {
        const { draws } = this;
        this.draws = new Set();
        for (const one of draws) one.call(this);
      });
    this.draws.add(draw);
  }

  drawList() {
    const { current, server } = this.model;
    const all = this.model.sorted();
    at("#conversations").replaceChildren(...all.map((conversation) => {
      const { mentions, unread, isChannel, isJoined } = conversation;
      const meaning = mentions ? ` for you, ${unread} unread` : " unread";
      const element = button("", () => this.show(conversation.name), {
        "aria-current": conversation === current && "true",
        class: isChannel && !isJoined && "gone",
      });
      element.append(make("span", {}, this.titleOf(conversation)));
      const count = mentions || unread;
      const badge = make("b", { class: mentions ? "badge important" : "badge" }, count > 99 ? "99+" : String(count));
      badge.append(make("span", { class: "sr" }, meaning));
      if (count) element.append(badge);
      return make("li", {}, element);
    }));
    const sum = (/** @type {"mentions" | "unread"} */ what) => all.reduce((total, conversation) => total + conversation[what], 0);
    const news = sum("mentions") ? `(${sum("mentions")}) ` : sum("unread") ? "• " : "";
    document.title = `${news}${current === server ? this.model.network || "Chat" : current.name}`;
    at("#news").textContent = news;
    at("#me").textContent = this.model.link.nick;
    remember("channels", this.model.joined().map(({ name }) => name).join(" "));
  }

  /** @param {Conversation} conversation */
  titleOf(conversation) {
    return conversation.name || this.model.network || "Server";
  }

  drawHeading() {
    const { current } = this.model;
    at("#name").textContent = this.titleOf(current);
    at("#topic").replaceChildren(...rich(current.topic, (name) => this.enter(name)));
    at("#topic").title = current.topic;
    at("#who").hidden = !current.isChannel;
    at("#leave").hidden = !current.name;
    at("#leave").title = current.isJoined ? `Leave ${current.name}` : "Close";
  }

  drawPeople() {
    const { isChannel, people } = this.model.current;
    const rank = (/** @type {string} */ prefix) => (prefix ? RANKS.indexOf(prefix) : RANKS.length);
    const sorted = [...people.values()];
    sorted.sort((a, b) => rank(a.prefix) - rank(b.prefix) || fold(a.nick).localeCompare(fold(b.nick)));
    at("#people").hidden = !isChannel;
    for (const count of document.querySelectorAll(".count")) count.textContent = String(people.size);
    at("#members").replaceChildren(...sorted.map(({ nick, prefix, isAway }) =>
      make("li", {}, button(`${prefix}${nick}`, () => this.show(nick), isAway ? { class: "away", title: "away" } : {}))));
  }

  drawTyping() {
    const { people, typing } = this.model.current;
    const now = Date.now();
    const nicks = [...typing].filter(([, until]) => until > now).map(([key]) => people.get(key)?.nick ?? key);
    const names = nicks.length > 3 ? "Several people" : nicks.join(", ");
    at("#typing").textContent = nicks.length ? `${names} ${nicks.length > 1 ? "are" : "is"} typing…` : "";
  }

  // What is done with a line

  /** @param {Line} line */
  drawTools(line) {
    const tools = [
      button("↩", () => this.setReply(line.id), { title: "Reply", "aria-label": `Reply to ${line.nick}` }),
      button("☺", () => chooseReaction((what) => this.react(line, what)), { title: "React", "aria-label": `React to ${line.nick}` }),
    ];
    if (line.isOwn && this.model.link.has("draft/message-redaction"))
      tools.push(button("✕", () => this.remove(line), { title: "Delete", "aria-label": "Delete" }));
    return tools;
  }

  /** @param {string} id */
  setReply(id) {
    const line = this.model.current.byId.get(id);
    this.reply = id;
    at("#reply").hidden = !line;
    at("#replied").textContent = `Reply to ${quote(line)}`;
    if (line) at("#box").focus();
  }

  /**
   * React to a line, or take the reaction back.
   * @param {Line} line @param {string} what
   */
  react(line, what) {
    const { current, link } = this.model;
    const tag = line.reactions.get(what)?.has(link.nick) ? "+draft/unreact" : "+draft/react";
    link.sendTagged({ [tag]: what, "+draft/reply": line.id }, "TAGMSG", current.name);
  }

  /** @param {Line} line */
  remove(line) {
    const { current, link } = this.model;
    confirm("Delete this message?", line.text, "Delete", () => link.send("REDACT", current.name, line.id));
  }

  /** @param {Line} line */
  sendAgain(line) {
    this.model.outbox.sendAgain(this.model.current, line);
  }

  askOlder() {
    this.model.history.fetchOlder(this.model.current);
  }

  // Writing

  /** @param {string} text */
  submit(text) {
    const lines = text.split("\n").length;
    const isCommand = /^\/[^/\s]/.test(text) && lines === 1;
    if (lines < ASK_LINES) this.send(text, isCommand);
    else confirm(`Send ${lines} lines to ${this.model.current.name}?`, text.slice(0, 2000), `Send ${lines} lines`, () => this.send(text, false));
  }

  /** @param {string} text @param {boolean} isCommand */
  send(text, isCommand) {
    const { model, reply } = this;
    const { current, server } = model;
    this.box.clear(text);
    this.setReply("");
    if (isCommand) runCommand({ model, view: this, conversation: current }, text.slice(1));
    else if (current === server) model.note(current, "Choose a conversation, or /join a channel", "error");
    else model.outbox.say(current, text.replace(/^\/\//, "/"), reply);
  }

  // Moving about

  /** @param {string} name of a conversation */
  show(name) {
    const { model } = this;
    model.show(model.open(name));
    remember("current", name);
    this.setReply("");
    this.toggle("");
    this.drawHeading();
    this.drawPeople();
    this.drawTyping();
    this.log.show(model.current);
    this.box.load();
    this.watch();
  }

  /**
   * Show a conversation; a channel is joined first.
   * @param {string} name
   */
  enter(name) {
    const { model } = this;
    if (!isChannel(name) || model.conversations.get(fold(name))?.isJoined) this.show(name);
    else model.enter(name);
  }

  leave() {
    const { current, link } = this.model;
    if (!current.isJoined) this.model.forget(current);
    else confirm(`Leave ${current.name}?`, "", "Leave", () => link.send("PART", current.name));
  }

  /** @param {string} pane that is opened, or closed, on a narrow screen */
  toggle(pane) {
    const { dataset } = document.body;
    dataset.open = dataset.open === pane ? "" : pane;
    at("#menu").ariaExpanded = String(dataset.open === "list");
    at("#who").ariaExpanded = String(dataset.open === "people");
  }

  choosePlace() {
    const names = this.model.sorted().flatMap(({ name }) => name || []);
    const nicks = [...this.model.current.people.values()].map(({ nick }) => nick);
    choosePlace([...new Set([...names, ...nicks])], (name) => this.enter(name));
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { altKey, ctrlKey, key, metaKey } = event;
    const all = this.model.sorted();
    const near = (/** @type {number} */ by) => all[(all.indexOf(this.model.current) + by + all.length) % all.length];
    if (key === "Escape" && !at("#dialog").matches("[open]")) {
      this.toggle("");
      this.setReply("");
      at("#box").focus();
      return;
    }
    if ((ctrlKey || metaKey) && key === "k") this.choosePlace();
    else if (altKey && key === "ArrowUp") this.show(near(-1)?.name ?? "");
    else if (altKey && key === "ArrowDown") this.show(near(1)?.name ?? "");
    else if (altKey && key === "a")
      this.show((all.find(({ mentions }) => mentions) ?? all.find(({ unread }) => unread) ?? this.model.current).name);
    else return;
    event.preventDefault();
  }
}
