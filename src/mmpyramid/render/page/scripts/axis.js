/** The time axis and the cursor. */

import { clock, ticks } from "./clock.js";
import { element, find } from "./dom.js";

const TENTHS = [0.1, 0.2, 0.5]; // decisions are whole seconds; corrections are finer

/**
 * Keep the axis in step with the view.
 * @param {import("./view.js").View} view
 * @param {import("./model.js").Model} model
 * @param {number[]} wholeSteps seconds between two ticks to choose from
 */
export function followView(view, model, wholeSteps) {
  const axis = find("axis");
  const draw = () => {
    const widest = (clock(view.end).length + 3) * 8;
    const most = Math.max(Math.floor(axis.clientWidth / widest), 1);
    const steps = model.bars ? [...TENTHS, ...wholeSteps] : wholeSteps;
    axis.replaceChildren(...ticks(view.start, view.end, most, steps).map((time) => tick(view, time)));
  };
  view.addEventListener("change", draw);
  model.addEventListener("events", draw);
  new ResizeObserver(draw).observe(axis);
  axis.setAttribute("aria-valuemax", view.duration);
}

function tick(view, time) {
  const mark = element("div", "tick");
  const fraction = view.fractionOf(time);
  mark.style.left = `${100 * fraction}%`;
  mark.classList.toggle("at-start", fraction < 0.01);
  mark.classList.toggle("at-end", fraction > 0.97);
  mark.append(element("span", "", clock(time)));
  return mark;
}

/**
 * Put the cursor and the clock where the player is.
 * @param {import("./player.js").Player} player
 * @param {import("./view.js").View} view
 */
export function showTime(player, view) {
  const { time, duration, isPlaying, speed } = player;
  const fraction = view.fractionOf(time);
  find("cursor").hidden = fraction < 0 || fraction > 1;
  find("cursor").style.transform = `translateX(${100 * fraction}%)`;
  find("now").textContent = `${clock(Math.floor(time))} / ${clock(duration)}`;
  find("speed").textContent = isPlaying && speed !== 1 ? `${speed}×`.replace("-", "−") : "";
  find("play").classList.toggle("playing", isPlaying);
  find("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  find("axis").setAttribute("aria-valuenow", time.toFixed(1));
  find("axis").setAttribute("aria-valuetext", clock(time));
}
