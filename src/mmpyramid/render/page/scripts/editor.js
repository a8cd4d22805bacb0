/** Corrections: bars that are moved, cut, renamed, with undo and redo. Knows no document. */

import { byTime, compareBars, readBars, writeEvents } from "./bars.js";
import { AUDIO, BOTH, VISUAL } from "./decode.js";
import { clamp } from "./dom.js";

const STEP = 0.1; // seconds: what times snap to
const FINEST = 0.001; // seconds: what they are rounded to where they do not snap
const NEW_LENGTH = 1; // seconds of an event that is added

/** A time at a tenth of a second, or, freely, at a thousandth. */
function snap(seconds, isFree) {
  const perSecond = Math.round(1 / (isFree ? FINEST : STEP));
  return Math.round(seconds * perSecond) / perSecond;
}

/** The times of a bar that is moved, within a video; its length stays. */
export function moved({ start, end }, seconds, isFree, duration) {
  const length = end - start;
  const from = clamp(snap(start + seconds, isFree), 0, Math.max(duration - length, 0));
  return { start: snap(from, true), end: Math.min(snap(from + length, true), Math.max(duration, end)) };
}

/** The times of a bar whose start or end is put elsewhere; something is left of it. */
export function stretched({ start, end }, edge, time, isFree, duration) {
  const least = isFree ? FINEST : STEP;
  const at = snap(time, isFree);
  if (edge === "start") return { start: clamp(at, 0, Math.max(snap(end - least, true), 0)), end };
  return { start, end: clamp(at, snap(start + least, true), Math.max(duration, start + least)) };
}

/**
 * Tells by `change` that bars or the choice are others, by `preview` that one is being dragged, and
 * by `edit` that corrections have been made, undone or saved.
 */
export class Editor extends EventTarget {
  isOn = false;
  chosen = null; // the id of a bar
  #states = [];
  #at = 0;
  #saved = 0; // the state that was saved, or the first
  #nextId = 0;

  /** @param {import("./model.js").Model} model */
  constructor(model) {
    super();
    this.model = model;
    this.#begin();
    model.addEventListener("decided", () => this.#begin());
  }

  /** The bars as they are now. @returns {import("./bars.js").Bar[]} */
  get bars() {
    return this.#states[this.#at];
  }

  get bar() {
    return this.bars.find(({ id }) => id === this.chosen) ?? null;
  }

  get isEdited() {
    const first = new Set(this.#states[0]);
    return this.bars.length !== first.size || !this.bars.every((bar) => first.has(bar));
  }

  get isSaved() {
    return this.#at === this.#saved;
  }

  get canUndo() {
    return this.#at > 0;
  }

  get canRedo() {
    return this.#at < this.#states.length - 1;
  }

  /** What was changed, added and deleted since the timeline was made. */
  get changes() {
    return compareBars(this.#states[0], this.bars);
  }

  /** Begin or end to edit; ending keeps what was done. */
  toggle(isOn = !this.isOn) {
    this.isOn = isOn;
    if (!isOn) this.chosen = null;
    this.#show();
  }

  choose(id) {
    if (id === this.chosen) return;
    this.chosen = id;
    this.dispatchEvent(new Event("change"));
  }

  /** Choose the bar after the chosen one, or before it. */
  chooseNext(step, time) {
    const bars = this.bars.filter((bar) => this.model.wants(bar));
    if (!bars.length) return;
    const index = bars.findIndex(({ id }) => id === this.chosen);
    const later = bars.findIndex(({ start }) => start >= time);
    const from = later < 0 ? bars.length - 1 : later;
    this.choose(bars[index < 0 ? from : clamp(index + step, 0, bars.length - 1)].id);
  }

  /**
   * Change the chosen bar.
   * @param {Partial<import("./bars.js").Bar>} fields
   */
  change(fields) {
    const { bar } = this;
    if (!bar) return;
    const changed = this.#changed(bar, fields);
    if (isSame(bar, changed)) {
      this.#show();
      return;
    }
    this.#commit(this.bars.map((each) => (each === bar ? changed : each)));
  }

  /** Show a bar as it would be; `change` makes it so, or `preview()` takes it back. */
  preview(fields) {
    const bars = fields
      ? this.bars.map((each) => (each.id === this.chosen ? this.#changed(each, fields) : each))
      : this.bars;
    this.model.drawBars(bars);
    this.dispatchEvent(new Event("preview"));
  }

  /** Add an event that begins at a time. @returns {void} */
  add(label, modality, time) {
    const { duration } = this.model;
    const start = Math.min(snap(time, false), Math.max(duration - NEW_LENGTH, 0));
    const end = Math.min(snap(start + NEW_LENGTH, false), duration);
    const bar = { label, modality, start, end, score: 1, events: null, id: this.#nextId++ };
    this.chosen = bar.id;
    this.#commit([...this.bars, bar]);
  }

  /** Cut the chosen bar in two; nothing happens where it is not. */
  cut(time) {
    const { bar } = this;
    const at = snap(time, false);
    if (!bar || at <= bar.start || at >= bar.end) return false;
    const first = { ...this.#changed(bar, { end: at }), end: at };
    const second = { ...first, start: at, end: bar.end, id: this.#nextId++ };
    this.#commit([...this.bars.filter((each) => each !== bar), first, second]);
    return true;
  }

  /** Make of what is heard and seen two bars, which can be moved apart. */
  separate() {
    const { bar } = this;
    if (bar?.modality !== BOTH) return;
    const [heard, seen] = [AUDIO, VISUAL].map((modality) => {
      const event = bar.events?.find((each) => each.modality === modality);
      const { score, isInferred } = event ?? { score: 1, isInferred: false };
      return { ...bar, modality, score, isInferred, events: event ? [event] : null };
    });
    const rest = this.bars.filter((each) => each !== bar);
    this.#commit([...rest, heard, { ...seen, id: this.#nextId++ }]);
  }

  remove() {
    const { bar } = this;
    if (!bar) return;
    const index = this.bars.indexOf(bar);
    const rest = this.bars.filter((each) => each !== bar);
    this.chosen = rest[Math.min(index, rest.length - 1)]?.id ?? null;
    this.#commit(rest);
  }

  undo() {
    if (this.canUndo) this.#go(this.#at - 1);
  }

  redo() {
    if (this.canRedo) this.#go(this.#at + 1);
  }

  /** Undo all corrections; `redo` brings them back. */
  discard() {
    this.#go(0);
  }

  markSaved() {
    this.#saved = this.#at;
    this.dispatchEvent(new Event("edit"));
  }

  /** What another visit of the page needs to go on: see `restore`. */
  keep() {
    return { before: this.#states[0], bars: this.bars, isSaved: this.isSaved, habit: this.habit };
  }

  restore({ before, bars, isSaved, habit }) {
    this.habit = habit;
    this.#states = [before, bars];
    this.#nextId = 1 + Math.max(-1, ...[...before, ...bars].map(({ id }) => id));
    this.#saved = isSaved ? 1 : 0;
    this.#go(1);
  }

  #begin() {
    const { bars, habit } = readBars(this.model.systems[0].events);
    this.habit = habit;
    this.#states = [bars];
    this.#at = this.#saved = 0;
    this.#nextId = bars.length;
    this.chosen = null;
    this.model.drawBars(this.isOn ? bars : null);
  }

  #changed(bar, fields) {
    const changed = { ...bar, ...fields, score: 1, isInferred: false, events: null };
    const first = this.#states[0].find(({ id }) => id === bar.id);
    return first && isSame(first, changed) ? first : changed;
  }

  #commit(bars) {
    this.#states.length = this.#at + 1;
    this.#states.push(bars.toSorted(byTime));
    if (this.#saved > this.#at) this.#saved = -1;
    this.#go(this.#at + 1);
  }

  #go(index) {
    this.#at = index;
    this.model.systems[0].events = index ? writeEvents(this.bars, this.habit) : this.model.decided;
    this.#show();
    this.dispatchEvent(new Event("edit"));
  }

  #show() {
    this.model.drawBars(this.isOn ? this.bars : null);
    this.model.dispatchEvent(new Event("events"));
    this.dispatchEvent(new Event("change"));
  }
}

function isSame(one, other) {
  return ["label", "modality", "start", "end"].every((name) => one[name] === other[name]);
}
