/**
 * The lanes, grouped by label: names as text, bars and strips on one canvas for each group. A group
 * is one lane, until it is opened and has one for each modality.
 */

import { clock } from "./clock.js";
import { element, find } from "./dom.js";
import { paint, stack } from "./paint.js";
import { readPalette } from "./palette.js";

const MOST_TOLD = 12; // events of a group in the description of its canvas
const AHEAD = "400px"; // how far outside of the window groups are drawn at once
const LINE = 14; // pixels of a line of text
const BREATH = 40; // milliseconds between two groups that are drawn in advance

/**
 * @typedef {object} Group
 * @property {number | null} label
 * @property {HTMLElement} box
 * @property {HTMLButtonElement | null} opener opens and closes its lanes
 * @property {HTMLCanvasElement} canvas
 * @property {{parts: import("./paint.js").Part[], height: number}} stacked
 * @property {boolean} isStale whether it has to be drawn again
 * @property {boolean} isNear whether it is in the window, or nearly
 */

export class Lanes {
  #watcher;
  #current = "";
  #later = 0;

  /** @param {import("./model.js").Model} model @param {import("./view.js").View} view */
  constructor(model, view) {
    this.scene = { model, view, time: 0, chosen: null, palette: null };
    this.#watcher = new IntersectionObserver((entries) => this.#approach(entries), {
      rootMargin: AHEAD,
    });
    this.groups = model.labels.map((label, index) => this.#addGroup(label, index));
    this.arrange();
    find("weak").open = !find("nothing").hidden;
    this.recolor();
    for (const name of ["events", "filter", "open"]) {
      model.addEventListener(name, () => this.arrange());
    }
    model.addEventListener("preview", () => this.redraw());
    model.addEventListener("labels", () => {
      this.groups.push(this.#addGroup(model.labels.at(-1), model.labels.length - 1));
    });
    view.addEventListener("change", () => this.redraw());
    new ResizeObserver(() => this.redraw()).observe(find("axis"));
  }

  /**
   * Add a group of strips that belong to no label.
   * @param {string} title
   * @param {import("./paint.js").Part[]} lanes
   * @param {string[]} names of the rows
   */
  addStrips(title, lanes, names) {
    const group = this.#addGroup(title, null);
    find("units").append(group.box);
    group.stacked = stack(lanes, []);
    group.stacked.parts.forEach((part, index) => { part.name = names[index]; });
    this.groups.push(group);
    this.#name(group);
  }

  /** Put every group where it belongs: among what was found, or among what was too weak. */
  arrange() {
    const { model } = this.scene;
    const found = [];
    const weak = [];
    for (const group of this.groups.filter(({ label }) => label !== null)) {
      const isFound = model.hasEvents(group.label);
      const isEdited = model.bars !== null && isFound;
      const lanes = model.lanesOf(group.label)
        .filter((lane) => model.wants(lane) && (lane.hasEvents || !isEdited));
      const isOpen = model.isOpen(group.label);
      const shown = isOpen || !lanes.length ? lanes : [model.closedLane(group.label)];
      const wordOf = ({ modality }) => (isOpen ? model.modalities[modality].word : "");
      const bare = shown.map((lane) => ({ ...lane, isBare: !lane.hasEvents }));
      group.stacked = stack(bare, model.systems, wordOf, model.bars !== null);
      group.opener.setAttribute("aria-expanded", isOpen);
      group.opener.disabled = model.bars !== null;
      this.#name(group);
      if (lanes.length) (isFound ? found : weak).push(group.box);
    }
    find("groups").replaceChildren(...found);
    find("weak-groups").replaceChildren(...weak);
    find("weak").hidden = weak.length === 0;
    find("nothing").hidden = model.systems.some(({ isThin, events }) => !isThin && events.length);
    find("no-match").hidden = !model.labels.some((_, label) => model.hasEvents(label))
      || found.length > 0;
    this.redraw();
  }

  /** Read the colors again: another theme, or paper. */
  recolor() {
    this.scene.palette = readPalette(this.scene.model.modalities.map(({ name }) => name));
    this.redraw();
  }

  /** Draw what is in the window at once, and the rest when it comes there or nothing else does. */
  redraw({ all = false } = {}) {
    clearTimeout(this.#later);
    for (const group of this.groups) {
      group.isStale = true;
      if (group.isNear || all) this.#draw(group);
    }
    this.#drawRest();
  }

  /** Mark what happens now; drawn again only if it is something else than before. */
  showTime(time) {
    this.scene.time = time;
    const isOn = ({ start, end }) => start <= time && time < end;
    const key = this.scene.model.systems
      .map(({ events }) => events.reduce((keys, event, index) => isOn(event) ? `${keys} ${index}` : keys, ""))
      .join();
    if (key === this.#current) return;
    this.#current = key;
    this.redraw();
  }

  /** Mark the bar that is edited. */
  choose(id) {
    this.scene.chosen = id;
    this.redraw();
  }

  /** What is at a point of the page. */
  at(x, y) {
    const under = document.elementFromPoint(x, y);
    const group = this.groups.find(({ canvas }) => canvas === under);
    if (!group) return null;
    const offset = y - group.canvas.getBoundingClientRect().top;
    return group.stacked.parts.findLast(({ top }) => top <= offset) ?? null;
  }

  #addGroup(label, index) {
    const box = element("div", "group");
    const canvas = document.createElement("canvas");
    const names = element("div", "names");
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", label);
    canvas.setAttribute("role", "img");
    const heading = element("h2", "", index === null ? label : "");
    const opener = index === null ? null : this.#addOpener(label, index);
    heading.append(...(opener ? [opener] : []));
    box.append(heading, names, canvas);
    this.#watcher.observe(canvas);
    const stacked = stack([], []);
    return { label: index, box, canvas, names, opener, stacked, isStale: true, isNear: false };
  }

  #addOpener(label, index) {
    const { model } = this.scene;
    const opener = element("button", "opener", label);
    opener.type = "button";
    opener.title = "A lane for each modality";
    opener.addEventListener("click", () => model.open([index], !model.isOpen(index)));
    return opener;
  }

  /** Write the names of the rows at their heights, and say in words what the canvas shows. */
  #name({ label, box, names, canvas, stacked }) {
    const named = stacked.parts.filter(({ word, name }) => word || name);
    names.replaceChildren(...named.map(nameOf));
    box.classList.toggle("named", named.length > 0);
    canvas.style.height = names.style.height = `${stacked.height}px`;
    canvas.setAttribute("aria-label", label === null ? "Weights as heat" : this.#describe(label));
  }

  #describe(label) {
    const { model } = this.scene;
    const told = model.systems.flatMap((system) =>
      model.lanes[label].flatMap((lane) => model.inLane(system.eventsByLane, lane).map((event) => {
        const { phrase } = model.modalities[event.modality];
        const of = system.name ? `${system.name}: ` : "";
        return `${of}${phrase} ${clock(event.start)} to ${clock(event.end)}`;
      })));
    const rest = told.length - MOST_TOLD;
    return [...told.slice(0, MOST_TOLD), ...(rest > 0 ? [`${rest} more`] : [])].join("; ")
      || "no events";
  }

  #approach(entries) {
    for (const { target, isIntersecting } of entries) {
      const group = this.groups.find(({ canvas }) => canvas === target);
      group.isNear = isIntersecting;
      if (isIntersecting && group.isStale) this.#draw(group);
    }
  }

  #drawRest() {
    const next = this.groups.find(({ isStale }) => isStale);
    if (!next) return;
    this.#later = setTimeout(() => {
      this.#draw(next);
      this.#drawRest();
    }, BREATH);
  }

  #draw(group) {
    paint(group.canvas, group.stacked, this.scene);
    group.isStale = false;
  }
}

function nameOf({ word, name, top, height }) {
  const row = element("div", "name");
  const line = Math.max(height, LINE);
  row.style.top = `${top - (line - height) / 2}px`;
  row.style.lineHeight = `${line}px`;
  row.append(element("span", "word", word), element("span", "system", name));
  return row;
}
