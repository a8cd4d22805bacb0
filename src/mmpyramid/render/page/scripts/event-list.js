/** The events, or the disagreements, as a list of buttons that seek. */

import { clock } from "./clock.js";
import { element, find } from "./dom.js";
import { byTime } from "./model.js";

const AT_ONCE = 60; // rows that are made before the page is shown; the rest follows

/**
 * @typedef {object} Row
 * @property {import("./decode.js").PageEvent | import("./model.js").Mark} item
 * @property {string} note what stands at the end
 * @property {string} said the same in words
 */

export class EventList {
  #items = []; // with the element of each, as far as it is made
  #pending = 0;

  /**
   * @param {import("./model.js").Model} model
   * @param {import("./player.js").Player} player
   * @param {(model: import("./model.js").Model) => Row[]} rowsOf what to list
   */
  constructor(model, player, rowsOf) {
    Object.assign(this, { model, player, rowsOf });
    for (const name of ["events", "filter"]) model.addEventListener(name, () => this.fill());
    this.fill();
  }

  fill() {
    clearTimeout(this.#pending);
    const all = this.rowsOf(this.model);
    this.#items = all
      .filter(({ item }) => this.model.wants(item))
      .sort((one, other) => byTime(one.item, other.item));
    const widest = Math.max(0, ...this.#items.map(({ item }) => times(item).length));
    find("events").style.setProperty("--time-width", `${widest}ch`);
    find("events").replaceChildren();
    find("count").textContent = this.#items.length;
    find("events").parentElement.hidden = !all.length;
    this.#add(AT_ONCE);
  }

  /** Make the rows that are not made yet, for print. */
  complete() {
    clearTimeout(this.#pending);
    this.#add(this.#items.length);
  }

  #add(most) {
    const made = find("events").childElementCount;
    const next = this.#items.slice(made, made + most);
    for (const row of next) row.element = this.#row(row);
    find("events").append(...next.map((row) => row.element));
    if (made + next.length < this.#items.length) {
      this.#pending = setTimeout(() => this.#add(10 * AT_ONCE));
    }
  }

  #row({ item, note, said }) {
    const { name, word, phrase } = this.model.modalities[item.modality];
    const label = this.model.labels[item.label];
    const row = element("li");
    const button = element("button");
    const title = element("span", "", `${label} `);
    title.append(element("small", "", word));
    button.type = "button";
    button.append(
      element("span", "time", times(item)),
      element("i", `swatch ${name}`),
      title,
      element("small", "note", note),
    );
    button.setAttribute(
      "aria-label",
      `${label}, ${phrase}, ${clock(item.start)} to ${clock(item.end)}, ${said}`,
    );
    button.addEventListener("click", () => this.player.seek(item.start));
    row.append(button);
    return row;
  }

  /** Mark the rows of what happens now, and bring the newest into view. */
  showTime(time) {
    let newest = null;
    for (const row of this.#items) {
      const isOn = row.item.start <= time && time < row.item.end;
      if (!row.element || isOn === Boolean(row.isOn)) continue;
      row.isOn = isOn;
      row.element.classList.toggle("on", isOn);
      if (isOn) newest = row.element;
    }
    const list = find("events");
    if (newest) list.scrollTop = newest.offsetTop - list.clientHeight / 3;
  }
}

function times({ start, end }) {
  return `${clock(start)} – ${clock(end)}`;
}

/** @returns {Row[]} the events of the first system */
export function eventRows(model) {
  return model.systems[0].events.map((item) => {
    const note = item.score.toFixed(2);
    return { item, note, said: `score ${note}` };
  });
}

/** @returns {Row[]} where the other systems differ from the first */
export function markRows(model) {
  return model.systems.flatMap(({ name, marks }) => marks.map((item) => {
    const said = item.kind === "missed" ? `missed by ${name}` : `only ${name}`;
    return { item, note: said, said };
  }));
}
