/** One clock for the page: the video, the sound, or a silent clock. */

import { clamp } from "./dom.js";
import { SilentClock } from "./silent-clock.js";

const FASTEST = 8;
const TOLD_BY_MEDIA = ["play", "pause", "ended", "seeking", "seeked", "timeupdate", "ratechange"];

/**
 * Plays in both directions at several speeds, and tells by the event `time` when the time or the
 * state is another: in every frame while it plays.
 */
export class Player extends EventTarget {
  #media;
  #backward = 0; // speed, 0 while it does not play backward
  #frame = 0;
  #last = 0;
  #tell = () => this.#step();

  /** @param {number} duration seconds */
  constructor(duration) {
    super();
    this.duration = duration;
    this.attach(new SilentClock(duration));
  }

  /** Follow a media element, or a clock with the same parts. */
  attach(media) {
    for (const name of TOLD_BY_MEDIA) {
      this.#media?.removeEventListener(name, this.#tell);
      media.addEventListener(name, this.#tell);
    }
    this.#media = media;
    this.#step();
  }

  /** Go on without media. */
  detach() {
    this.attach(new SilentClock(this.duration));
  }

  get time() {
    return clamp(this.#media.currentTime, 0, this.duration);
  }

  get isPlaying() {
    return !this.#media.paused || this.#backward > 0;
  }

  /** Seconds of video per second; negative while it plays backward. */
  get speed() {
    return this.#backward ? -this.#backward : this.#media.playbackRate;
  }

  seek(seconds) {
    this.#media.currentTime = clamp(seconds, 0, this.duration);
  }

  /** Play at the usual speed, or pause. */
  toggle() {
    if (this.isPlaying) this.pause();
    else this.#play(1);
  }

  pause() {
    this.#backward = 0;
    this.#media.playbackRate = 1;
    this.#media.pause();
    this.#step();
  }

  /** Play, or play twice as fast. */
  faster() {
    const isForward = this.isPlaying && !this.#backward;
    this.#play(isForward ? Math.min(2 * this.#media.playbackRate, FASTEST) : 1);
  }

  /** Play backward, or backward twice as fast. */
  fasterBackward() {
    const speed = this.#backward ? Math.min(2 * this.#backward, FASTEST) : 1;
    this.pause();
    this.#backward = speed;
    this.#last = performance.now();
    this.#step();
  }

  #play(rate) {
    this.#backward = 0;
    this.#media.playbackRate = rate;
    // A play that the browser refuses, or a pause interrupts, leaves the player paused: show that.
    Promise.resolve(this.#media.play()).catch(this.#tell);
  }

  #tick() {
    if (this.#backward) this.#rewind();
    this.#step();
  }

  #step() {
    cancelAnimationFrame(this.#frame);
    this.dispatchEvent(new Event("time"));
    if (this.isPlaying) this.#frame = requestAnimationFrame(() => this.#tick());
  }

  /** Media play forward only, so going backward is one seek after the other. */
  #rewind() {
    if (this.#media.seeking) return;
    const now = performance.now();
    const time = this.time - (this.#backward * (now - this.#last)) / 1000;
    this.#last = now;
    if (time <= 0) this.#backward = 0;
    this.seek(time);
  }
}
