// Filters the rows while the user types.
"use strict";
const box = document.querySelector("[type=search]");
const count = document.querySelector("#count");
const all = count.textContent;
const rows = [...document.querySelectorAll("tbody tr")].map((row) => [row, row.cells[0].textContent.toLowerCase()]);
box.addEventListener("input", () => {
  const wanted = box.value.toLowerCase();
  let shown = 0;
  for (const [row, name] of rows) {
    row.hidden = !name.includes(wanted);
    if (!row.hidden) shown += 1;
  }
  count.textContent = wanted ? `${shown} of ${all}` : all;
});
