/** Keeps time where there is no media, or none that this browser can play. */

import { clamp } from "./dom.js";

/** Has the few parts of a media element that the player uses. */
export class SilentClock extends EventTarget {
  #offset = 0;
  #startedAt = null;
  #rate = 1;

  /** @param {number} duration seconds */
  constructor(duration) {
    super();
    this.duration = duration;
  }

  /** Also at the end. */
  get paused() {
    return this.#startedAt === null || this.currentTime >= this.duration;
  }

  get currentTime() {
    const elapsed = this.#startedAt === null ? 0 : (performance.now() - this.#startedAt) / 1000;
    return Math.min(this.#offset + elapsed * this.#rate, this.duration);
  }

  set currentTime(seconds) {
    this.#restart(clamp(seconds, 0, this.duration));
    this.dispatchEvent(new Event("seeking"));
  }

  get playbackRate() {
    return this.#rate;
  }

  set playbackRate(rate) {
    this.#restart(this.currentTime);
    this.#rate = rate;
    this.dispatchEvent(new Event("ratechange"));
  }

  play() {
    this.#offset = this.currentTime >= this.duration ? 0 : this.currentTime;
    this.#startedAt = performance.now();
    this.dispatchEvent(new Event("play"));
  }

  pause() {
    this.#offset = this.currentTime;
    this.#startedAt = null;
    this.dispatchEvent(new Event("pause"));
  }

  #restart(offset) {
    this.#startedAt = this.paused ? null : performance.now();
    this.#offset = offset;
  }
}
