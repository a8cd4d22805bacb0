/** The page of a corpus: a table that sorts and filters itself. */

import { find } from "./dom.js";
import { startTheme } from "./theme.js";

const rows = [...find("videos").rows];
const headings = [...document.querySelectorAll("thead tr:last-child th")];

/** What a row is sorted by in a column: a number where it is one. */
function keyOf(row, column) {
  const cell = row.cells[column];
  return cell.classList.contains("number") ? Number(cell.textContent) : cell.textContent;
}

/** Numbers are per cent, drawn as bars; the policy of the page lets no styles stand in attributes. */
function drawBars() {
  for (const cell of document.querySelectorAll("td.number")) {
    cell.style.setProperty("--share", cell.textContent / 100);
  }
}

function sortBy(column, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  const compare = (one, other) => typeof one === "number" ? one - other : one.localeCompare(other);
  rows.sort((one, other) => sign * compare(keyOf(one, column), keyOf(other, column)));
  find("videos").append(...rows);
  headings.forEach((heading) => heading.removeAttribute("aria-sort"));
  headings[column].setAttribute("aria-sort", direction);
}

function filter(text) {
  const wanted = text.trim().toLowerCase();
  for (const row of rows) {
    const [, name, labels] = row.cells;
    row.hidden = !`${name.textContent} ${labels.textContent}`.toLowerCase().includes(wanted);
  }
  const shown = rows.filter((row) => !row.hidden).length;
  find("now").textContent = shown === rows.length ? `${shown} videos` : `${shown} of ${rows.length} videos`;
}

for (const [column, heading] of headings.entries()) {
  heading.querySelector("button")?.addEventListener("click", () => {
    const isAscending = heading.getAttribute("aria-sort") === "ascending";
    sortBy(column, isAscending ? "descending" : "ascending");
  });
}
find("filter").addEventListener("input", ({ target }) => filter(target.value));
filter("");
drawBars();
startTheme(() => {});
