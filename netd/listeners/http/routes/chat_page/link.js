// The connection: WebSocket, registration, and coming back after a loss.
import { format, parse } from "./irc.js";

const WANTED = [
  "away-notify", "batch", "draft/chathistory", "draft/event-playback", "draft/message-redaction", "draft/multiline",
  "draft/read-marker", "draft/search", "echo-message", "invite-notify", "labeled-response", "message-tags",
  "multi-prefix", "netd.dev/resume", "server-time", "standard-replies",
];
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30000;
const SILENCE_MS = 30000; // then the server is asked whether it is there
const PATIENCE_MS = 6000; // for its answer

/**
 * @typedef {{nick: string, password: string, isNew: boolean, needsPassword: boolean}} Login
 * @typedef {"closed" | "connecting" | "open" | "waiting"} LinkState
 */

export class Link {
  /**
   * @param {string} url
   * @param {{onMessage: (message: import("./irc.js").Message) => void,
   *          onState: (state: LinkState, detail: string) => void}} owner
   */
  constructor(url, owner) {
    this.url = url;
    this.owner = owner;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {Login} */
    this.login = { nick: "", password: "", isNew: false, needsPassword: false };
    this.nick = "";
    this.clockOffset = 0; // of the server's clock
    /** @type {Map<string, string>} */
    this.caps = new Map();
    /** @type {Set<string>} */
    this.enabled = new Set();
    this.token = "";
    this.resumes = false;
    this.delay = FIRST_DELAY_MS;
    this.timer = 0;
    this.isWanted = false;
    this.isRegistered = false;
    this.lastLabel = 0;
    this.heardAt = 0;
    this.askedAt = 0;
    setInterval(() => this.watch(), 1000);
  }

  /** Notice a connection that is lost without an end: the network is gone, or another one. */
  watch() {
    const isAsked = this.askedAt > this.heardAt;
    const silence = Date.now() - Math.max(this.askedAt, this.heardAt);
    if (!this.socket || silence < (isAsked ? PATIENCE_MS : SILENCE_MS)) return;
    if (this.isRegistered && !isAsked) this.askAlive();
    else this.drop("no answer");
  }

  askAlive() {
    this.askedAt = Date.now();
    this.send("PING", "alive");
  }

  /** @param {string} reason */
  drop(reason) {
    this.release();
    this.delay = FIRST_DELAY_MS;
    this.lose(reason);
  }

  /** Close the connection, and hear no more of it. */
  release() {
    clearTimeout(this.timer);
    if (this.socket) this.socket.onclose = this.socket.onmessage = null;
    this.socket?.close(1000);
    this.socket = null;
  }

  /** The time by the server's clock. */
  now() {
    return Date.now() + this.clockOffset;
  }

  /** @param {Login} login @param {string} [token] of the connection of an earlier page, to continue */
  open(login, token = "") {
    this.login = login;
    this.nick = login.nick;
    this.token = token;
    this.isWanted = true;
    this.connect();
  }

  /** @param {string} reason */
  close(reason) {
    this.send("QUIT", reason);
    this.refuse(reason);
  }

  /** Try now, and not when the delay is over: the network may be back. */
  hurry() {
    if (this.isWanted && !this.socket) this.connect();
    else if (this.isRegistered) this.askAlive();
  }

  connect() {
    clearTimeout(this.timer);
    if (this.socket) return;
    this.owner.onState("connecting", "");
    this.caps.clear();
    this.enabled.clear();
    this.isRegistered = this.resumes = false;
    this.heardAt = Date.now() + 1; // a new connection has its time
    const socket = (this.socket = new WebSocket(this.url, ["text.ircv3.net"]));
    socket.onopen = () => {
      this.send("CAP", "LS", "302");
      this.send("NICK", this.nick);
      this.send("USER", this.nick, "0", "*", this.login.nick);
    };
    socket.onmessage = (event) => {
      this.heardAt = Date.now() + 1;
      this.receive(parse(String(event.data)));
    };
    socket.onclose = (event) => this.lose(event.reason || (event.code === 1006 ? "" : `code ${event.code}`));
  }

  /** @param {string} reason */
  lose(reason) {
    this.socket = null;
    this.isRegistered = false;
    if (!this.isWanted) return;
    const delay = this.delay * (0.75 + Math.random() / 2);
    this.delay = Math.min(this.delay * 2, MAX_DELAY_MS);
    this.timer = window.setTimeout(() => this.connect(), delay);
    this.owner.onState("waiting", reason);
  }

  /** @param {string} name */
  has(name) {
    return this.enabled.has(name);
  }

  /** @param {string} command @param {string[]} params */
  send(command, ...params) {
    this.sendTagged({}, command, ...params);
  }

  /** @param {Record<string, string>} tags @param {string} command @param {string[]} params */
  sendTagged(tags, command, ...params) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(format(command, params, tags));
    return true;
  }

  /** @param {string} line */
  sendRaw(line) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(line);
  }

  nextLabel() {
    return `l${(this.lastLabel += 1)}`;
  }

  /** @param {import("./irc.js").Message} message */
  receive(message) {
    const { command, params } = message;
    if (command === "PING") this.send("PONG", ...params);
    else if (command === "CAP") this.onCap(params);
    else if (command === "AUTHENTICATE") this.authenticate();
    else if (command === "903") this.endNegotiation();
    else if (command === "RESUME") this.onResume(params);
    else if (command === "REGISTER") this.login.isNew = params[0] !== "SUCCESS";
    else if (command === "433" && !this.isRegistered) this.takeOtherNick(params.at(-1) ?? "");
    else if (this.isRefusal(command, params[0] ?? "")) this.refuse(params.at(-1) ?? "");
    if (command === "001") {
      this.isRegistered = true;
      this.clockOffset = (Date.parse(message.tags["time"] ?? "") || Date.now()) - Date.now();
      this.delay = FIRST_DELAY_MS;
      this.nick = params[0] ?? this.nick;
      if (this.login.isNew) this.send("REGISTER", "*", "*", this.login.password);
    }
    if (command === "NICK" && message.nick === this.nick) this.nick = params[0] ?? this.nick;
    this.owner.onMessage(message);
    if (command === "001") this.owner.onState("open", "");
  }

  /**
   * Register with another nick, but make no account of a name that the user has not chosen.
   * @param {string} reason
   */
  takeOtherNick(reason) {
    if (this.login.isNew) this.refuse(reason);
    else this.send("NICK", (this.nick = `${this.nick}_`));
  }

  /**
   * Whether the user has to enter something else. Without its password, a user whose account was
   * used would come back as a guest.
   * @param {string} command @param {string} what
   */
  isRefusal(command, what) {
    if (command === "FAIL") return what === "REGISTER" || (what === "RESUME" && this.login.needsPassword);
    return !this.isRegistered && /^(432|464|90[24-7])$/.test(command);
  }

  /**
   * Show the form again.
   * @param {string} reason
   */
  refuse(reason) {
    this.isWanted = this.isRegistered = false;
    this.release();
    this.owner.onState("closed", reason);
  }

  /** @param {string[]} params */
  onCap(params) {
    const list = (params.at(-1) ?? "").split(" ").filter((word) => word);
    if (params[1] === "LS" || params[1] === "NEW") {
      for (const word of list) this.caps.set(word.split("=")[0] ?? "", word.split("=")[1] ?? "");
      if (params[2] === "*" && params.length > 3) return;
      const wanted = WANTED.filter((name) => this.caps.has(name) && !this.enabled.has(name));
      if (this.mechanism()) wanted.push("sasl");
      if (wanted.length) this.send("CAP", "REQ", wanted.join(" "));
      else this.endNegotiation();
    } else if (params[1] === "ACK") {
      for (const name of list) this.enabled.add(name);
      if (this.isRegistered) return;
      if (list.includes("sasl")) this.send("AUTHENTICATE", this.mechanism());
      else this.endNegotiation();
    } else if (params[1] === "NAK") this.endNegotiation();
    else if (params[1] === "DEL") for (const name of list) this.enabled.delete(name);
  }

  mechanism() {
    const offered = (this.caps.get("sasl") ?? "").split(",");
    if (this.login.password && !this.login.isNew && offered.includes("PLAIN")) return "PLAIN";
    return offered.includes("EXTERNAL") ? "EXTERNAL" : "";
  }

  authenticate() {
    if (this.mechanism() === "EXTERNAL") {
      this.send("AUTHENTICATE", "+");
      return;
    }
    const { nick, password } = this.login;
    const bytes = new TextEncoder().encode(`\0${nick}\0${password}`);
    const data = btoa(String.fromCharCode(...bytes));
    for (let at = 0; at < data.length; at += 400) this.send("AUTHENTICATE", data.slice(at, at + 400));
    if (data.length % 400 === 0) this.send("AUTHENTICATE", "+");
  }

  endNegotiation() {
    if (this.isRegistered) return;
    if (this.token && this.has("netd.dev/resume")) this.send("RESUME", this.token);
    this.send("CAP", "END");
  }

  /** @param {string[]} params */
  onResume(params) {
    if (params[0] === "TOKEN") this.token = params[1] ?? "";
    if (params[0] === "SUCCESS") this.resumes = true;
  }
}
