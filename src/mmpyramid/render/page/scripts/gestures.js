/** What people do with pointer, wheel and fingers over the lanes. */

import { find } from "./dom.js";

const WHEEL_ZOOM = 0.0025; // per pixel that the wheel turns
const LINE = 16; // pixels that a wheel counting in lines means by one
const KEEP_OUT = "summary, button, a, input, select, .overview-row";

/**
 * @param {import("./view.js").View} view
 * @param {import("./player.js").Player} player
 */
export function followGestures(view, player) {
  const lanes = find("lanes");
  const fingers = new Map();
  let isSeeking = false;
  lanes.addEventListener("pointerdown", (pointer) => {
    if (pointer.button !== 0 || pointer.target.closest(KEEP_OUT) || fractionAt(pointer) < 0) return;
    fingers.set(pointer.pointerId, pointer);
    lanes.setPointerCapture(pointer.pointerId);
    isSeeking = fingers.size === 1;
    if (isSeeking) player.seek(view.timeAt(fractionAt(pointer)));
  });
  lanes.addEventListener("pointermove", (pointer) => {
    if (!fingers.has(pointer.pointerId)) return;
    if (isSeeking) player.seek(view.timeAt(fractionAt(pointer)));
    else if (fingers.size === 2) pinch(view, fingers, pointer);
    fingers.set(pointer.pointerId, pointer);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    lanes.addEventListener(name, (pointer) => {
      fingers.delete(pointer.pointerId);
      isSeeking = false;
    });
  }
  lanes.addEventListener("wheel", (wheel) => followWheel(view, wheel), { passive: false });
}

/** Where a pointer is on the time axis, 0 at its left edge and 1 at its right one. */
export function fractionAt(pointer) {
  const box = find("axis").getBoundingClientRect();
  return (pointer.clientX - box.left) / box.width;
}

/** With Ctrl, as trackpads send a pinch, a wheel zooms; sideways, or with Shift, it pans. */
function followWheel(view, wheel) {
  const scale = wheel.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
  if (wheel.ctrlKey || wheel.metaKey) {
    wheel.preventDefault();
    view.zoom(Math.exp(wheel.deltaY * scale * WHEEL_ZOOM), view.timeAt(fractionAt(wheel)));
    return;
  }
  const sideways = wheel.shiftKey && !wheel.deltaX ? wheel.deltaY : wheel.deltaX;
  if (!sideways || view.isWhole || Math.abs(sideways) < Math.abs(wheel.deltaY) && !wheel.shiftKey) return;
  wheel.preventDefault();
  view.pan((sideways * scale) / find("axis").clientWidth);
}

/** Keep the times under two fingers where the fingers are. */
function pinch(view, fingers, moved) {
  const before = [...fingers.values()].map(fractionAt);
  const after = [...fingers.keys()].map((id) =>
    fractionAt(id === moved.pointerId ? moved : fingers.get(id)));
  const [one, other] = before.map((fraction) => view.timeAt(fraction));
  const distance = after[1] - after[0];
  if (Math.abs(distance) < 0.02) return;
  const span = (other - one) / distance;
  if (span <= 0) return;
  const start = one - after[0] * span;
  view.show(start, start + span);
}
