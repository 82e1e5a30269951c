// Connects the parts: the form to enter, the connection and the view.
import { at, recall, remember } from "./dom.js";
import { Link } from "./link.js";
import { View } from "./view.js";

const url = new URL(location.href);
url.protocol = url.protocol.replace("http", "ws");
url.hash = url.search = "";
let isFirst = true;

/** @type {Link} */
const link = new Link(url.href, {
  onMessage: (message) => view.model.batches.receive(message),
  onState: (state, detail) => {
    document.body.dataset.state = state;
    const waiting = `No connection${detail ? ` (${detail})` : ""}: trying again`;
    at("#status").textContent = { open: "", connecting: "Connecting…", closed: detail, waiting }[state];
    at("#enter").hidden = state !== "closed";
    if (state === "open" && isFirst) enter();
  },
});
/** @type {View} */
const view = new View(link);

/** The conversation of the address; a % in it need not be escaped. */
function addressed() {
  const { hash } = location;
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
}

/** Show the conversation of the address, or the last one, and enter the channels of the last visit. */
function enter() {
  isFirst = false;
  const { model } = view;
  const channels = recall("channels").split(" ");
  const wanted = addressed() || recall("current");
  view.show(wanted.startsWith("#") ? "" : wanted);
  if (wanted.startsWith("#")) view.enter(wanted);
  model.join(...channels.filter((name) => name.startsWith("#") && name !== wanted));
  if (!wanted && !model.joined().length) model.findChannel();
}

const form = /** @type {HTMLFormElement} */ (at("#enter form"));
const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
field("nick").value = recall("nick");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const nick = field("nick").value.trim();
  const password = field("password").value;
  remember("nick", nick);
  link.open({ nick, password, isNew: field("isnew").checked, needsPassword: false });
});

// The place of a page that is loaded again, which one other page can take.
const place = recall("place");
remember("place");
if (place) {
  const [token, nick = "", needsPassword] = place.split(" ");
  link.open({ nick, password: "", isNew: false, needsPassword: Boolean(needsPassword) }, token);
}
addEventListener("pagehide", () => {
  const { login, nick, token } = link;
  const needsPassword = login.password || login.needsPassword ? "password" : "";
  if (link.isWanted && token) remember("place", `${token} ${nick} ${needsPassword}`);
});
addEventListener("pageshow", (event) => event.persisted && remember("place"));
addEventListener("online", () => link.hurry());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && link.hurry());
