/** The page of a corpus: a table that sorts and filters itself. */

import { find } from "./dom.js";
import { startTheme } from "./theme.js";

const rows = [...find("videos").rows];
const MODALITIES = ["audio", "visual", "audio_visual"];
/** The modalities that are switched off. */
const without = new Set();
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

/** Show the rows that have the text of the filter, of labels in the modalities that are switched on. */
function filter() {
  const wanted = find("filter").value.trim().toLowerCase();
  for (const row of rows) {
    const [, name, labels] = row.cells;
    for (const label of labels.children) {
      label.hidden = label.dataset.modalities.split(" ").every((modality) => without.has(modality));
    }
    const shown = [...labels.children].filter((label) => !label.hidden);
    const text = [name, ...shown].map((part) => part.textContent).join(" ").toLowerCase();
    row.hidden = !text.includes(wanted) || (without.size > 0 && shown.length === 0);
  }
  const shown = rows.filter((row) => !row.hidden).length;
  const videos = rows.length === 1 ? "1 video" : `${rows.length} videos`;
  find("now").textContent = shown === rows.length ? videos : `${shown} of ${videos}`;
}

for (const [column, heading] of headings.entries()) {
  heading.querySelector("button")?.addEventListener("click", () => {
    const isAscending = heading.getAttribute("aria-sort") === "ascending";
    sortBy(column, isAscending ? "descending" : "ascending");
  });
}
[...find("modalities").children].forEach((button, index) => {
  const modality = MODALITIES[index];
  button.addEventListener("click", () => {
    if (!without.delete(modality)) without.add(modality);
    button.setAttribute("aria-pressed", !without.has(modality));
    find("videos").classList.toggle(`without-${modality}`, without.has(modality));
    filter();
  });
});
find("filter").addEventListener("input", filter);
filter();
drawBars();
startTheme(() => {});
