// Connects the parts: the form to enter, the connection, the model and the view.
import { Link } from "./link.js";
import { Model } from "./model.js";
import { at, View } from "./view.js";

const view = new View();
const url = new URL(location.href);
url.protocol = url.protocol.replace("http", "ws");
url.hash = url.search = "";
let isStarted = false;

/** @type {Link} */
const link = new Link(url.href, {
  onMessage: (message) => model.receive(message),
  onState: (state, detail) => {
    at("body").dataset.state = state;
    const texts = {
      open: "", connecting: "Connecting…", closed: detail, waiting: `No connection${detail ? ` (${detail})` : ""}: trying again`,
    };
    at("#status").textContent = texts[state];
    if (state === "open") enter();
    if (state === "closed") at("#enter").hidden = false;
  },
});
/** @type {Model} */
const model = new Model(link, view);

function enter() {
  at("#enter").hidden = true;
  if (isStarted) return;
  isStarted = true;
  view.start(model);
  const names = new Set([...(localStorage.getItem("channels") ?? "").split(" "), decodeURIComponent(location.hash)]);
  const channels = [...names].filter((name) => name.startsWith("#") && name.length > 1);
  for (const name of channels) view.enter(name);
  if (!channels.length) link.send("LIST");
}

addEventListener("pagehide", () => {
  const joined = model.sorted().filter((each) => each.isJoined).map((each) => each.name);
  if (isStarted) localStorage.setItem("channels", joined.join(" "));
});
addEventListener("online", () => link.hurry());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && link.hurry());

const form = /** @type {HTMLFormElement} */ (at("#enter form"));
const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
field("nick").value = localStorage.getItem("nick") ?? "";
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const nick = field("nick").value.trim();
  localStorage.setItem("nick", nick);
  link.open({ nick, account: nick, password: field("password").value, isNew: field("isnew").checked });
});
at("#down").addEventListener("click", () => view.scrollToEnd());
