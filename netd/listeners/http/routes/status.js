// Fetches the page again each second and updates what has changed: single cells, so that focus
// and selection stay, or the whole page if rows were added or removed.
"use strict";

const PERIOD_MS = 1000;
const TIMEOUT_MS = 5000;
const POINTS = 60;
const rates = new Map(); // the latest rates of each counter, by its cell
let previous = null; // the totals of the last fetch, and the uptime then

const cells = (root) => new Map([...root.querySelectorAll("[data-cell]")].map((cell) => [cell.dataset.cell, cell]));

function update(fresh) {
  const main = document.querySelector("main");
  const [old, now] = [cells(document), cells(fresh)];
  if ([...old.keys()].join() !== [...now.keys()].join()) {
    main.replaceChildren(...fresh.querySelector("main").childNodes);
    return;
  }
  for (const [key, cell] of now) {
    const place = old.get(key);
    if (place.textContent !== cell.textContent && cell.dataset.total === undefined) place.textContent = cell.textContent;
    Object.assign(place.dataset, cell.dataset);
  }
}

function measure(uptime) {
  const totals = new Map();
  for (const cell of document.querySelectorAll("[data-total]")) {
    const key = cell.dataset.cell;
    const total = Number(cell.dataset.total);
    totals.set(key, total);
    if (previous?.totals.has(key) && uptime > previous.uptime) {
      const rate = Math.max(0, (total - previous.totals.get(key)) / (uptime - previous.uptime));
      rates.set(key, [...(rates.get(key) ?? []), rate].slice(-POINTS));
      cell.textContent = perSecond(rate);
    }
  }
  previous = { totals, uptime };
}

const perSecond = (rate) => `${rate && rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en")}/s`;

// The baseline is 0, and the line above is the highest rate that is shown.
function draw() {
  for (const graph of document.querySelectorAll("[data-of]")) {
    const shown = rates.get(graph.dataset.of) ?? [];
    if (!shown.length) continue;
    const highest = Math.max(...shown);
    const start = POINTS - shown.length;
    const points = shown.map((rate, at) => `${start + at},${21 - (20 * rate) / (highest || 1)}`).join(" ");
    graph.querySelector("polyline").setAttribute("points", points);
    graph.querySelector("polygon").setAttribute("points", `${start},21 ${points} ${POINTS - 1},21`);
    graph.parentNode.querySelector(".maximum").textContent = `max ${perSecond(highest)}`;
  }
}

async function refresh() {
  const note = document.getElementById("note");
  try {
    const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`netd responds with ${response.status}`);
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    update(fresh);
    measure(Number(fresh.querySelector("main").dataset.uptime));
    draw();
    note.textContent = "";
  } catch (error) {
    note.textContent = `not up to date: ${error.message}`;
  }
}

const button = document.querySelector("button");
button.hidden = false;
button.addEventListener("click", () => {
  const isPaused = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(isPaused));
});

async function run() {
  if (button.getAttribute("aria-pressed") !== "true" && !document.hidden) await refresh();
  setTimeout(run, PERIOD_MS);
}

measure(Number(document.querySelector("main").dataset.uptime));
setTimeout(run, PERIOD_MS);
