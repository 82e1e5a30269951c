// Filters the rows while the user types.
"use strict";
const box = /** @type {HTMLInputElement} */ (document.querySelector("[type=search]"));
const count = /** @type {HTMLElement} */ (document.querySelector("#count"));
const all = count.textContent;
const rows = /** @type {HTMLTableRowElement[]} */ ([...document.querySelectorAll("tbody tr")]);
const names = rows.map((row) => (row.cells[0]?.textContent ?? "").toLowerCase());
box.addEventListener("input", () => {
  const wanted = box.value.toLowerCase();
  const shown = names.filter((name) => name.includes(wanted)).length;
  rows.forEach((row, index) => { row.hidden = !names[index]?.includes(wanted); });
  count.textContent = wanted ? `${shown} of ${all}` : all;
});
