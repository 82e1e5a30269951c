// Takes the page anew each second and puts what has changed into its place: the marked cells
// one by one, so that focus and selection stay, or all of it where rows came or went.
"use strict";

const PERIOD_MS = 1000;
const PATIENCE_MS = 5000;
const POINTS = 60;
const rates = new Map(); // of each counter, the latest ones
let before = null; // the counters of the last time and when that was

const cells = (root) => new Map([...root.querySelectorAll("[data-cell]")].map((each) => [each.dataset.cell, each]));

function put(fresh) {
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
    if (before?.totals.has(key) && uptime > before.uptime) {
      const rate = Math.max(0, (total - before.totals.get(key)) / (uptime - before.uptime));
      rates.set(key, [...(rates.get(key) ?? []), rate].slice(-POINTS));
      cell.textContent = `${rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en")}/s`;
    }
  }
  before = { totals, uptime };
}

function draw() {
  for (const line of document.querySelectorAll("polyline")) {
    const shown = rates.get(line.dataset.of) ?? [];
    const top = Math.max(1, ...shown);
    const points = shown.map((rate, at) => `${POINTS - shown.length + at},${21 - (20 * rate) / top}`);
    line.setAttribute("points", points.join(" "));
  }
}

async function refresh() {
  const note = document.getElementById("note");
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`netd answers ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    put(fresh);
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
  const pauses = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(pauses));
});

async function live() {
  if (button.getAttribute("aria-pressed") !== "true" && !document.hidden) await refresh();
  setTimeout(live, PERIOD_MS);
}

measure(Number(document.querySelector("main").dataset.uptime));
setTimeout(live, PERIOD_MS);
