// Questions and lists on top of the page.
import { at, button, make, moveFocus, rich } from "./dom.js";

const REACTIONS = ["👍", "❤️", "😂", "🎉", "👀", "✅"];
const MAX_FOUND = 10;

const dialog = () => /** @type {HTMLDialogElement} */ (at("#dialog"));

/** @param {string} title @param {Node[]} children */
export function open(title, ...children) {
  const close = button("Close", () => dialog().close(), { class: "close" });
  dialog().replaceChildren(make("h2", { id: "asked" }, title), ...children, close);
  if (!dialog().open) dialog().showModal();
  dialog().onclose = () => at("#box").focus();
}

/**
 * A button that closes the dialog.
 * @param {string} label @param {() => void} act
 */
function choice(label, act) {
  return button(label, () => {
    dialog().close();
    act();
  });
}

/** @param {string} title @param {string} text @param {string} label @param {() => void} act */
export function confirm(title, text, label, act) {
  open(title, make("pre", {}, text), choice(label, act));
}

/** @param {(what: string) => void} onChosen */
export function chooseReaction(onChosen) {
  const buttons = REACTIONS.map((what) => choice(what, () => onChosen(what)));
  open("React", make("div", { class: "choices" }, ...buttons));
}

/** @param {import("./irc.js").Message[]} messages @param {(name: string) => void} enter */
export function showFound(messages, enter) {
  const rows = messages.map(({ tags, nick, params }) => {
    const when = new Date(tags["time"] ?? 0).toLocaleString();
    return make("li", {}, make("time", {}, when), ` ${params[0]} `, make("b", {}, nick), " ", ...rich(params[1] ?? "", enter));
  });
  open(`${rows.length || "Nothing"} found`, make("ul", { class: "found" }, ...rows.reverse()));
}

/**
 * Choose a conversation by a part of its name.
 * @param {string[]} names @param {(name: string) => void} onChosen
 */
export function choosePlace(names, onChosen) {
  const list = make("ul");
  const facts = { type: "search", "aria-label": "Conversation", placeholder: "Conversation, nick or #channel" };
  const field = /** @type {HTMLInputElement} */ (make("input", facts));
  const draw = () => {
    const wanted = field.value.trim();
    const found = names.filter((name) => name.toLowerCase().includes(wanted.toLowerCase()));
    if (wanted && !found.includes(wanted)) found.push(wanted);
    list.replaceChildren(...found.slice(0, MAX_FOUND).map((name) => make("li", {}, choice(name, () => onChosen(name)))));
  };
  field.addEventListener("input", draw);
  field.addEventListener("keydown", (event) => event.key === "Enter" && list.querySelector("button")?.click());
  const panel = make("div", { onkeydown: (/** @type {KeyboardEvent} */ event) => moveFocus(event, [field, ...list.querySelectorAll("button")]) }, field, list);
  draw();
  open("Go to", panel);
  field.focus();
}
