/** The stretch of time that the lanes show. */

import { clamp } from "./dom.js";

const SHORTEST = 2; // seconds

/** Tells by the event `change` when it shows another stretch. */
export class View extends EventTarget {
  /** @param {number} duration seconds that there are to show */
  constructor(duration) {
    super();
    this.duration = duration;
    this.start = 0;
    this.end = duration;
  }

  get span() {
    return this.end - this.start;
  }

  get isWhole() {
    return this.span >= this.duration;
  }

  /** Where a time lies, 0 at the left edge and 1 at the right one. */
  fractionOf(time) {
    return (time - this.start) / this.span;
  }

  timeAt(fraction) {
    return this.start + fraction * this.span;
  }

  /** Show from `start` to `end`, moved into the video if they reach out of it. */
  show(start, end) {
    const span = clamp(end - start, Math.min(SHORTEST, this.duration), this.duration);
    const from = clamp(start, 0, this.duration - span);
    if (from === this.start && from + span === this.end) return;
    this.start = from;
    this.end = from + span;
    this.dispatchEvent(new Event("change"));
  }

  /** Show `factor` times as much, with a time staying where it is. */
  zoom(factor, time) {
    const span = clamp(this.span * factor, Math.min(SHORTEST, this.duration), this.duration);
    const start = time - this.fractionOf(time) * span;
    this.show(start, start + span);
  }

  /** Move by a share of what is shown. */
  pan(fraction) {
    this.moveTo(this.start + fraction * this.span);
  }

  moveTo(start) {
    this.show(start, start + this.span);
  }

  fit() {
    this.show(0, this.duration);
  }

  /** Turn the page if a time is not in view. */
  follow(time) {
    if (time < this.start || time > this.end) this.moveTo(time - 0.05 * this.span);
  }
}
