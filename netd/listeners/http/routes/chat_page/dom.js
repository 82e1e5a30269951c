// Makes elements. Text enters the document as text, never as HTML.
import { parts } from "./irc.js";

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

/** @param {string} text @param {() => void} onclick @param {Record<string, any>} [facts] */
export function button(text, onclick, facts = {}) {
  return make("button", { type: "button", onclick, ...facts }, text);
}

/** @param {string} name */
export function remember(name, value = "") {
  if (value) localStorage.setItem(name, value);
  else localStorage.removeItem(name);
}

/** @param {string} name */
export function recall(name) {
  return localStorage.getItem(name) ?? "";
}

/**
 * Move the focus among the elements of a list by the arrow keys.
 * @param {KeyboardEvent} event @param {Iterable<Element>} elements
 */
export function moveFocus(event, elements) {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const all = /** @type {HTMLElement[]} */ ([...elements]);
  if (!step || !all.length) return;
  event.preventDefault();
  const index = all.findIndex((element) => element.contains(document.activeElement));
  all.at(index < 0 ? Math.min(-step, 0) : Math.max(0, Math.min(index + step, all.length - 1)))?.focus();
}

/**
 * A text with links, and buttons that enter channels.
 * @param {string} text @param {(name: string) => void} enter
 */
export function rich(text, enter) {
  return parts(text).map(({ text, url, channel }) => {
    if (channel) return button(text, () => enter(channel), { class: "channel" });
    return url ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text) : text;
  });
}
