/** The events, or the disagreements, as a list of buttons that seek. */

import { byTime } from "./bars.js";
import { clock } from "./clock.js";
import { element, find } from "./dom.js";

const AT_ONCE = 120; // rows that are made together: more than are seen, in whole lines of columns

/**
 * @typedef {object} Row
 * @property {import("./decode.js").PageEvent | import("./model.js").Mark} item
 * @property {string} note what stands at the end
 * @property {string} said the same in words
 */

/** Only rows that are near what is seen are made, since an hour may have thousands. */
export class EventList {
  #items = []; // with the element of each that is made: those from `first` to before `stop`
  #first = 0;
  #stop = 0;
  #chosen = null;
  onPress = () => {}; // told the item of a row that is pressed

  /**
   * @param {import("./model.js").Model} model
   * @param {import("./player.js").Player} player
   * @param {(model: import("./model.js").Model) => Row[]} rowsOf what to list
   */
  constructor(model, player, rowsOf) {
    Object.assign(this, { model, player, rowsOf });
    for (const name of ["events", "filter"]) model.addEventListener(name, () => this.fill());
    find("events").addEventListener("scroll", () => this.#extend());
    this.fill();
  }

  /** List anew; the place in the list, and the row that has the focus, stay if they can. */
  fill() {
    const list = find("events");
    const { scrollTop } = list;
    const focused = this.#items.find(({ element }) => element?.contains(document.activeElement));
    const all = this.rowsOf(this.model);
    this.#items = all
      .filter(({ item }) => this.model.wants(item))
      .sort((one, other) => byTime(one.item, other.item));
    const widest = this.#items.reduce((most, { item }) => Math.max(most, times(item).length), 0);
    find("events").style.setProperty("--time-width", `${widest}ch`);
    find("count").textContent = this.#items.length;
    find("events").parentElement.hidden = !all.length;
    this.#showFrom(this.#first);
    list.scrollTop = scrollTop;
    if (focused) this.#items.find(({ item }) => isSameRow(item, focused.item))?.element?.firstChild.focus();
  }

  /** Mark the row of the bar that is edited, and bring it into view. */
  choose(id) {
    this.#chosen = id;
    this.#items.forEach((row) => row.element && this.#mark(row));
    const index = id === null ? -1 : this.#items.findIndex(({ item }) => item.id === id);
    if (index >= 0) this.#reveal(index);
  }

  #mark({ element, item }) {
    const isChosen = this.#chosen !== null && item.id === this.#chosen;
    element.classList.toggle("chosen", isChosen);
    element.firstChild.ariaCurrent = isChosen ? "true" : null;
  }

  #reveal(index) {
    if (index < this.#first || index >= this.#stop) this.#showFrom(index - (index % AT_ONCE));
    const list = find("events");
    const { offsetTop, offsetHeight } = this.#items[index].element;
    if (offsetTop >= list.scrollTop && offsetTop + offsetHeight <= list.scrollTop + list.clientHeight) return;
    list.scrollTop = offsetTop - list.clientHeight / 3;
  }

  /** Make all rows, for print. */
  complete() {
    this.#prepend(this.#first);
    this.#append(this.#items.length);
  }

  #showFrom(index) {
    this.#items.slice(this.#first, this.#stop).forEach((row) => { row.element = null; });
    // Never so few at the end that there is nothing to scroll, and the others cannot be reached.
    this.#first = this.#stop = Math.min(index, Math.max(this.#items.length - AT_ONCE, 0));
    find("events").replaceChildren();
    this.#append(AT_ONCE);
  }

  #extend() {
    const list = find("events");
    const { scrollTop, clientHeight, scrollHeight } = list;
    if (scrollTop + 2 * clientHeight > scrollHeight) this.#append(AT_ONCE);
    if (scrollTop > clientHeight || !this.#first) return;
    this.#prepend(AT_ONCE);
    list.scrollTop += list.scrollHeight - scrollHeight;
  }

  #append(count) {
    const next = this.#items.slice(this.#stop, this.#stop + count);
    this.#stop += next.length;
    find("events").append(this.#make(next));
  }

  #prepend(count) {
    const start = Math.max(this.#first - count, 0);
    const previous = this.#items.slice(start, this.#first);
    this.#first = start;
    find("events").prepend(this.#make(previous));
  }

  #make(rows) {
    const made = document.createDocumentFragment();
    for (const row of rows) {
      made.append(row.element = this.#row(row));
      this.#mark(row);
    }
    return made;
  }

  #row({ item, note, said, isOn = false }) {
    const { name, word, phrase } = this.model.modalities[item.modality];
    const inferred = item.isInferred ? ", inferred" : "";
    const label = this.model.labels[item.label];
    const row = element("li", isOn ? "on" : "");
    const button = element("button");
    const title = element("span", "", `${label} `);
    title.append(element("small", "", word + inferred));
    button.type = "button";
    button.append(
      element("span", "time", times(item)),
      element("i", `swatch ${name}`),
      title,
      element("small", "note", note),
    );
    button.setAttribute(
      "aria-label",
      `${label}, ${phrase}${inferred}, ${clock(item.start)} to ${clock(item.end)}, ${said}`,
    );
    button.addEventListener("click", () => {
      this.player.seek(item.start);
      this.onPress(item);
    });
    row.append(button);
    return row;
  }

  /** Mark the rows of what happens now, and bring the newest into view. */
  showTime(time) {
    let newest = -1;
    this.#items.forEach((row, index) => {
      const isOn = row.item.start <= time && time < row.item.end;
      if (isOn === Boolean(row.isOn)) return;
      row.isOn = isOn;
      row.element?.classList.toggle("on", isOn);
      if (isOn) newest = index;
    });
    if (newest >= 0) this.#reveal(newest);
  }
}

function isSameRow(one, other) {
  return one.id === undefined ? one === other : one.id === other.id;
}

function times({ start, end }) {
  return `${clock(start)} – ${clock(end)}`;
}

/** @param {import("./bars.js").Bar[]} bars @returns {Row[]} */
export function barRows(bars) {
  return bars.map((item) => {
    const note = item.events ? item.score.toFixed(2) : "by hand";
    return { item, note, said: item.events ? `score ${note}` : note };
  });
}

/** @returns {Row[]} where the other systems differ from the first */
export function markRows(model) {
  return model.systems.flatMap(({ name, marks }) => marks.map((item) => {
    const said = item.kind === "missed" ? `missed by ${name}` : `only ${name}`;
    return { item, note: said, said };
  }));
}
