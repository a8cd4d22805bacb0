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

/** Tells by `events` that systems have other events, and by `filter` that others are wanted. */
export class Model extends EventTarget {
  /** @param {object} data what Python wrote into the page */
  constructor(data) {
    super();
    this.duration = data.duration;
    this.labels = data.labels;
    this.modalities = data.modalities;
    this.systems = data.systems.map((system) => ({
      ...system,
      events: system.events.map(toEvent),
      marks: system.marks.map(toMark),
    }));
    this.missing = data.missing;
    this.scores = null;
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
    this.systems[0].events = decode(this.scores, decoder, this.scores.duration, this.missing);
    this.#sortIntoLanes();
    this.dispatchEvent(new Event("events"));
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

  /** The events, or marks, of a system in a lane. */
  inLane(items, { label, modality }) {
    return items.get(label * this.modalities.length + modality) ?? [];
  }

  #makeLanes() {
    this.lanes = this.labels.map((_, label) =>
      this.modalities.map((_, modality) => {
        const strip = this.#strip(label, modality);
        const isNotable = strip !== null && strip.some((value) => value > WEAKEST_STRIP);
        return { label, modality, strip, isNotable, hasEvents: false };
      }));
    this.#sortIntoLanes();
  }

  #sortIntoLanes() {
    for (const system of this.systems) {
      system.eventsByLane = this.#byLane(system.events);
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

/** Order of events in a list. */
export function byTime(one, other) {
  return one.start - other.start || one.end - other.end || one.label - other.label
    || one.modality - other.modality;
}
