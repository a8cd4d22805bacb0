/** What people do with the pointer to bars that are edited: choose, move, pull an end. */

import { moved, stretched } from "./editor.js";
import { find, oncePerFrame } from "./dom.js";
import { fractionAt } from "./gestures.js";

const REACH = { mouse: 6, pen: 10, touch: 18 }; // pixels around an end that take hold of it
const STILL = 3; // pixels that a press may move without being a drag
const CURSORS = { start: "ew-resize", end: "ew-resize", move: "grab" };

/**
 * @param {import("./editor.js").Editor} editor
 * @param {import("./lanes.js").Lanes} lanes
 * @param {import("./view.js").View} view
 * @param {import("./player.js").Player} player
 */
export function followEdits(editor, lanes, view, player) {
  const area = find("lanes");
  let drag = null;
  const follow = oncePerFrame(() => drag?.isMoving && editor.preview(drag.fields));

  // Before `gestures.js`, which seeks: it listens to the same element, but not in this phase.
  area.addEventListener("pointerdown", (pointer) => {
    if (!editor.isOn || pointer.button !== 0 || drag) return;
    const hit = hitAt(editor, lanes, view, pointer);
    if (!hit) {
      if (fractionAt(pointer) >= 0 && lanes.at(pointer.clientX, pointer.clientY)) editor.choose(null);
      return;
    }
    pointer.stopPropagation();
    const wasChosen = editor.chosen === hit.bar.id;
    editor.choose(hit.bar.id);
    player.pause();
    player.seek(view.timeAt(fractionAt(pointer)));
    // A finger that did not choose before may want to scroll.
    if (pointer.pointerType === "touch" && !wasChosen) return;
    area.setPointerCapture(pointer.pointerId);
    drag = { ...hit, id: pointer.pointerId, x: pointer.clientX, from: view.timeAt(fractionAt(pointer)), isMoving: false };
  }, { capture: true });

  area.addEventListener("pointermove", (pointer) => {
    if (!drag) {
      const hit = editor.isOn && pointer.pointerType !== "touch" && hitAt(editor, lanes, view, pointer);
      area.style.cursor = hit ? CURSORS[hit.part] : "";
      return;
    }
    if (pointer.pointerId !== drag.id) return;
    pointer.stopPropagation();
    drag.isMoving ||= Math.abs(pointer.clientX - drag.x) > STILL;
    if (!drag.isMoving) return;
    const time = view.timeAt(fractionAt(pointer));
    drag.fields = timesOf(drag, time, pointer.altKey, editor.model.duration);
    player.seek(drag.part === "end" ? drag.fields.end : drag.fields.start);
    follow();
  }, { capture: true });

  area.addEventListener("dblclick", (pointer) => {
    const lane = editor.isOn && lanes.at(pointer.clientX, pointer.clientY)?.lane;
    if (!lane || lane.label === undefined || hitAt(editor, lanes, view, pointer)) return;
    editor.add(lane.label, lane.modality, view.timeAt(fractionAt(pointer)));
  });

  const finish = (isDone) => {
    if (!drag) return;
    const { isMoving, fields } = drag;
    drag = null;
    if (isMoving && isDone) editor.change(fields);
    else editor.preview(null);
  };
  area.addEventListener("pointerup", (pointer) => pointer.pointerId === drag?.id && finish(true));
  area.addEventListener("pointercancel", () => finish(false));
  document.addEventListener("keydown", (key) => {
    if (key.key !== "Escape" || !drag) return;
    key.stopImmediatePropagation();
    finish(false);
  });
}

/** The bar under a pointer and which part of it: of several the chosen one, or the shortest. */
function hitAt(editor, lanes, view, pointer) {
  const found = lanes.at(pointer.clientX, pointer.clientY);
  if (found?.kind !== "bars" || found.system !== editor.model.systems[0]) return null;
  const slack = (REACH[pointer.pointerType] ?? REACH.mouse) * (view.span / find("axis").clientWidth);
  const time = view.timeAt(fractionAt(pointer));
  const hits = editor.model.inLane(found.system.eventsByLane, found.lane)
    .filter(({ start, end }) => start - slack <= time && time <= end + slack)
    .sort((one, other) => (other.id === editor.chosen) - (one.id === editor.chosen)
      || isOutside(one, time) - isOutside(other, time) || (one.end - one.start) - (other.end - other.start));
  if (!hits.length) return null;
  const [{ id, start, end }] = hits;
  const edge = Math.min(slack, (end - start) / 3);
  const part = time < start + edge ? "start" : time > end - edge ? "end" : "move";
  return { bar: editor.bars.find((bar) => bar.id === id), part };
}

function isOutside({ start, end }, time) {
  return time < start || time > end;
}

function timesOf({ bar, part, from }, time, isFree, duration) {
  if (part === "move") return moved(bar, time - from, isFree, duration);
  return stretched(bar, part, time, isFree, duration);
}
