// Fetches the page again each second and updates what has changed: single cells, so that focus
// and selection stay, or the whole page if rows were added or removed.
"use strict";

const PERIOD_MS = 1000;
const TIMEOUT_MS = 5000;
const POINTS = 60;
/** @type {Map<string, number[]>} */
const rates = new Map(); // the latest rates of each counter, by its cell
/** @type {{ totals: Map<string, number>, uptime: number }} */
let previous = { totals: new Map(), uptime: 0 }; // at the last fetch

/** @param {string} selector @param {ParentNode} [root] */
const at = (selector, root = document) => /** @type {HTMLElement} */ (root.querySelector(selector));

/** @param {string} selector @param {ParentNode} [root] */
const all = (selector, root = document) => /** @type {HTMLElement[]} */ ([...root.querySelectorAll(selector)]);

/** @param {ParentNode} root */
const cells = (root) => new Map(all("[data-cell]", root).map((cell) => [cell.dataset.cell, cell]));

/** @param {Document} fresh */
function update(fresh) {
  const [old, now] = [cells(document), cells(fresh)];
  if ([...old.keys()].join() !== [...now.keys()].join()) {
    at("main").replaceChildren(...at("main", fresh).childNodes);
    return;
  }
  for (const [key, cell] of now) {
    const place = /** @type {HTMLElement} */ (old.get(key));
    if (place.textContent !== cell.textContent && cell.dataset.total === undefined) place.textContent = cell.textContent;
    Object.assign(place.dataset, cell.dataset);
  }
}

/** @param {number} uptime */
function measure(uptime) {
  const totals = new Map();
  for (const cell of all("[data-total]")) {
    const key = cell.dataset.cell ?? "";
    const total = Number(cell.dataset.total);
    const before = previous.totals.get(key);
    totals.set(key, total);
    if (before !== undefined && uptime > previous.uptime) {
      const rate = Math.max(0, (total - before) / (uptime - previous.uptime));
      rates.set(key, [...(rates.get(key) ?? []), rate].slice(-POINTS));
      cell.textContent = perSecond(rate);
    }
  }
  previous = { totals, uptime };
}

/** @param {number} rate */
const perSecond = (rate) => `${rate && rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en")}/s`;

// The baseline is 0, and the line above is the highest rate that is shown.
function draw() {
  for (const cell of all(".activity")) {
    const shown = rates.get(at("[data-total]", cell).dataset.cell ?? "") ?? [];
    if (!shown.length) continue;
    const highest = Math.max(...shown);
    const start = POINTS - shown.length;
    const points = shown.map((rate, index) => `${start + index},${21 - (20 * rate) / (highest || 1)}`).join(" ");
    at("polyline", cell).setAttribute("points", points);
    at("polygon", cell).setAttribute("points", `${start},21 ${points} ${POINTS - 1},21`);
    at(".maximum", cell).textContent = `max ${perSecond(highest)}`;
  }
}

async function refresh() {
  try {
    const signal = /** @type {any} */ (AbortSignal).timeout(TIMEOUT_MS); // is new to tsc
    const response = await fetch(location.href, { cache: "no-store", signal });
    if (!response.ok) throw new Error(`netd responds with ${response.status}`);
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    update(fresh);
    measure(Number(at("main", fresh).dataset.uptime));
    draw();
    at("#note").textContent = "";
  } catch (error) {
    at("#note").textContent = `not up to date: ${/** @type {Error} */ (error).message}`;
  }
}

const button = at("button");
const isPaused = () => button.getAttribute("aria-pressed") === "true";
button.hidden = false;
button.addEventListener("click", () => button.setAttribute("aria-pressed", String(!isPaused())));

async function run() {
  if (!isPaused() && !document.hidden) await refresh();
  setTimeout(run, PERIOD_MS);
}

measure(Number(at("main").dataset.uptime));
setTimeout(run, PERIOD_MS);
