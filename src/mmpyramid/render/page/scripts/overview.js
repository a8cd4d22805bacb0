/** The bar above the axis: all events of the whole video, and a window on what the lanes show. */

import { clock } from "./clock.js";
import { clamp, find } from "./dom.js";

const EDGE = 8; // pixels at either end of the window that resize it
const STEPS = { ArrowLeft: -0.2, ArrowRight: 0.2, PageUp: -1, PageDown: 1 };

/**
 * @param {import("./lanes.js").Lanes} lanes
 * @param {import("./view.js").View} view
 */
export function startOverview(lanes, view) {
  const bar = find("overview");
  const show = () => showWindow(bar, view);
  const draw = () => drawEvents(find("overview-events"), lanes.scene);
  for (const name of ["events", "filter"]) lanes.scene.model.addEventListener(name, draw);
  view.addEventListener("change", show);
  new ResizeObserver(draw).observe(bar);
  show();
  followPointer(bar, view);
  bar.addEventListener("keydown", (key) => {
    if (!(key.key in STEPS)) return;
    key.preventDefault();
    key.stopPropagation();
    view.pan(STEPS[key.key]);
  });
  return draw;
}

function showWindow(bar, view) {
  const thumb = find("overview-window");
  thumb.style.left = `${(100 * view.start) / view.duration}%`;
  thumb.style.width = `${(100 * view.span) / view.duration}%`;
  bar.classList.toggle("whole", view.isWhole);
  bar.setAttribute("aria-valuenow", Math.round((100 * view.start) / (view.duration - view.span || 1)));
  bar.setAttribute("aria-valuetext", `${clock(view.start)} to ${clock(view.end)}`);
}

/** A line of marks for each modality; bars of events that are close become one. */
function drawEvents(canvas, { model, palette }) {
  const ratio = devicePixelRatio;
  const width = (canvas.width = Math.round(canvas.clientWidth * ratio));
  const height = (canvas.height = Math.round(canvas.clientHeight * ratio));
  const context = canvas.getContext("2d");
  const line = height / model.modalities.length;
  for (const event of model.systems.flatMap(({ events }) => events).filter((each) => model.wants(each))) {
    const left = (event.start / model.duration) * width;
    const wide = Math.max(((event.end - event.start) / model.duration) * width, ratio);
    context.fillStyle = palette.modalities[event.modality].hue;
    context.fillRect(left, event.modality * line + ratio, wide, line - 2 * ratio);
  }
}

/** Drag the window, pull its ends, or jump to where there is no window. */
function followPointer(bar, view) {
  let drag = null;
  const timeAt = (pointer) => {
    const box = bar.getBoundingClientRect();
    return clamp((pointer.clientX - box.left) / box.width, 0, 1) * view.duration;
  };
  bar.addEventListener("pointerdown", (pointer) => {
    if (pointer.button !== 0) return;
    const box = find("overview-window").getBoundingClientRect();
    const time = timeAt(pointer);
    const isInside = pointer.clientX >= box.left - EDGE && pointer.clientX <= box.right + EDGE;
    if (!isInside) view.moveTo(time - view.span / 2);
    drag = grab(pointer.clientX, box, view, time, isInside);
    bar.setPointerCapture(pointer.pointerId);
  });
  bar.addEventListener("pointermove", (pointer) => drag?.(timeAt(pointer)));
  for (const name of ["pointerup", "pointercancel"]) {
    bar.addEventListener(name, () => { drag = null; });
  }
}

/** What a drag that begins at `x` does with the times that it comes to. */
function grab(x, box, view, time, isInside) {
  const { start, end } = view;
  if (isInside && x < box.left + EDGE) return (now) => view.show(Math.min(now, end - 1), end);
  if (isInside && x > box.right - EDGE) return (now) => view.show(start, Math.max(now, start + 1));
  const offset = time - start;
  return (now) => view.moveTo(now - offset);
}
