"use strict";
// Sorting and filtering; without it the report is as complete.
const units = { ms: 0.001, s: 1, min: 60, h: 3600, B: 1, KB: 1024, MB: 1048576, GB: 1073741824, TB: 1099511627776 };
const value = (text) => {
  let sum = 0, found = false;
  for (const [, number, unit] of text.matchAll(/(\d[\d,.]*)\s?([a-zA-Z]*)/g)) {
    sum += parseFloat(number.replace(/,/g, "")) * (units[unit] ?? 1);
    found = true;
  }
  return found ? sum : -1;
};
for (const table of document.querySelectorAll("section table")) {
  const body = table.tBodies[0], rows = [...body.rows];
  if (rows.length < 2) continue;
  table.querySelectorAll("th").forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    const numeric = head.classList.contains("n");
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const down = numeric ? now !== "descending" : now === "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => numeric ? value(row.cells[column].textContent) : row.cells[column].textContent;
      const keyed = rows.map((row) => [key(row), row]);
      keyed.sort(([a], [b]) => (numeric ? a - b : a.localeCompare(b)) * (down ? -1 : 1));
      body.replaceChildren(...keyed.map(([, row]) => row));
    });
  });
  if (rows.length < 8) continue;
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "Filter " + rows.length.toLocaleString("en") + " rows";
  input.setAttribute("aria-label", input.placeholder);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  table.before(input);
}
