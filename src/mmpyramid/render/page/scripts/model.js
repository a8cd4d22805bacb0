/** What the page shows, and what of it the reader wants to see. */

import { decode, laneProbability } from "./decode.js";
import { unpackCodes, unpackFloats } from "./unpack.js";

const WEAKEST_STRIP = 0.1; // of the most probable segment of a lane that is shown without events

/**
 * @typedef {object} System whose events stand in a row of each lane
 * @property {string} name
 * @property {boolean} isThin a thin row, for the truth beside one timeline
 * @property {import("./decode.js").PageEvent[]} events
 * @property {Mark[]} marks where it differs from the first system
 *
 * @typedef {object} Mark
 * @property {number} label
 * @property {number} modality
 * @property {number} start
 * @property {number} end
 * @property {"missed" | "extra"} kind
 *
 * @typedef {object} Lane
 * @property {number} label
 * @property {number} modality
 * @property {Float32Array | null} strip probability of each segment
 * @property {boolean} isNotable whether the strip alone is worth a lane
 * @property {boolean} hasEvents
 */

/**
 * Tells by `events` that systems have other events, by `decided` that thresholds are the reason, by
 * `labels` that there is another label, by `filter` that others are wanted, by `open` that lanes of
 * a label are opened or closed, and by `preview` that bars are being dragged.
 */
export class Model extends EventTarget {
  #strongest = []; // by label, the strip of its closed lane

  /** @param {object} data what Python wrote into the page */
  constructor(data) {
    super();
    this.duration = data.duration;
    this.labels = [...data.labels];
    this.numKnown = data.labels.length; // those after them were added by corrections
    this.names = [...(data.names ?? data.labels)]; // as the timeline has them
    this.modalities = data.modalities;
    this.systems = data.systems.map((system) => ({
      ...system,
      events: system.events.map(toEvent),
      marks: system.marks.map(toMark),
    }));
    this.missing = data.missing;
    this.scores = null;
    this.decoder = data.decoder;
    this.decided = this.systems[0].events; // before corrections
    this.bars = null; // what the lanes of the first system show while it is edited
    this.opened = new Set(data.isComparison ? this.labels.keys() : []);
    this.wanted = { text: "", modalities: new Set(this.modalities.keys()) };
    this.#makeLanes();
  }

  /** Read the probabilities, if the page has some. */
  async addScores(scores) {
    if (!scores) return;
    const [exact, rounded] = await Promise.all([unpackFloats(scores.exact), unpackCodes(scores.rounded)]);
    this.scores = { ...scores, ...exact, ...rounded };
    this.#makeLanes();
  }

  /** Decide anew which events the first system has. */
  decide(decoder) {
    this.decoder = { ...decoder };
    this.decided = decode(this.scores, decoder, this.scores.duration, this.missing);
    this.systems[0].events = this.decided;
    this.dispatchEvent(new Event("decided"));
    this.#sortIntoLanes();
    this.dispatchEvent(new Event("events"));
  }

  /** Let the lanes of the first system show bars that are edited; with null, its events. */
  drawBars(bars) {
    this.bars = bars;
    this.#sortIntoLanes();
    this.dispatchEvent(new Event("preview"));
  }

  /**
   * The place of a label, which is a new one if there is none of this name, whatever its case.
   * @param {string} title
   */
  labelCalled(title) {
    const known = this.labels.findIndex((label) => label.toLowerCase() === title.toLowerCase());
    if (known >= 0) return known;
    this.labels.push(title);
    this.names.push(title);
    this.lanes.push(this.#lanesOf(this.labels.length - 1));
    this.dispatchEvent(new Event("labels"));
    return this.labels.length - 1;
  }

  /** Whether a label has a lane for each modality, and not one bar for all. */
  isOpen(label) {
    return this.bars !== null || this.opened.has(label);
  }

  /** @param {number[]} labels @param {boolean} isOpen */
  open(labels, isOpen) {
    for (const label of labels) {
      if (isOpen) this.opened.add(label);
      else this.opened.delete(label);
    }
    this.dispatchEvent(new Event("open"));
  }

  /** Choose labels by a part of their name, and modalities. */
  filter(wanted) {
    Object.assign(this.wanted, wanted);
    this.dispatchEvent(new Event("filter"));
  }

  wantsLabel(label) {
    return this.labels[label].toLowerCase().includes(this.wanted.text.trim().toLowerCase());
  }

  wants({ label, modality }) {
    return this.wanted.modalities.has(modality) && this.wantsLabel(label);
  }

  /** The lanes of a label that have something to show, whatever is wanted. @returns {Lane[]} */
  lanesOf(label) {
    return this.lanes[label].filter((lane) => lane.hasEvents || lane.isNotable);
  }

  hasEvents(label) {
    return this.lanes[label].some((lane) => lane.hasEvents);
  }

  /** The events, or marks, of a system in a lane, or in all lanes of a label. */
  inLane(items, { label, modality }) {
    const lanes = modality === null ? [...this.modalities.keys()] : [modality];
    return lanes.flatMap((each) => items.get(label * this.modalities.length + each) ?? []);
  }

  /** All lanes of a label as one. @returns {Lane} */
  closedLane(label) {
    const lanes = this.lanes[label];
    const strips = lanes.map(({ strip }) => strip).filter(Boolean);
    this.#strongest[label] ??= strips.length
      ? strips[0].map((_, second) => Math.max(...strips.map((strip) => strip[second])))
      : null;
    const hasEvents = this.hasEvents(label);
    return { label, modality: null, strip: this.#strongest[label], hasEvents, isNotable: true };
  }

  #makeLanes() {
    this.#strongest = [];
    this.lanes = this.labels.map((_, label) => this.#lanesOf(label));
    this.#sortIntoLanes();
  }

  #lanesOf(label) {
    return this.modalities.map((_, modality) => {
      const strip = this.#strip(label, modality);
      const isNotable = strip !== null && strip.some((value) => value > WEAKEST_STRIP);
      return { label, modality, strip, isNotable, hasEvents: false };
    });
  }

  #sortIntoLanes() {
    for (const [index, system] of this.systems.entries()) {
      system.eventsByLane = this.#byLane(index ? system.events : this.bars ?? system.events);
      system.marksByLane = this.#byLane(system.marks);
    }
    for (const lane of this.lanes.flat()) {
      lane.hasEvents = this.systems.some(({ eventsByLane }) => this.inLane(eventsByLane, lane).length);
    }
  }

  #byLane(items) {
    return Map.groupBy(items, ({ label, modality }) => label * this.modalities.length + modality);
  }

  #strip(label, modality) {
    const column = this.scores?.columns.indexOf(label) ?? -1;
    return column < 0 ? null : laneProbability(this.scores, column, modality);
  }
}

function toEvent([label, modality, start, end, score, isInferred = 0]) {
  return { label, modality, start, end, score, isInferred: Boolean(isInferred) };
}

function toMark([label, modality, start, end, isExtra]) {
  return { label, modality, start, end, kind: isExtra ? "extra" : "missed" };
}
