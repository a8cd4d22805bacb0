/** Draws a group of lanes on its canvas: only what is in view, and only when asked. */

import { piecesOf } from "./bars.js";
import { maxima, paintStrip } from "./strips.js";

const BAR = 17;
const EDITED_BAR = 26; // to be hit by a finger
const GRIP = 4; // at the ends of the bar that is edited
const THIN = 6;
const STRIP = 6;
const BARE = 12; // a strip by itself
const INNER_GAP = 2;
const LANE_GAP = 7;
const NARROW = 8; // pixels under which a pattern would be noise
const NARROWEST = 2;

/**
 * @typedef {object} Part something of a lane with its place, in CSS pixels
 * @property {"bars" | "thin" | "strip"} kind
 * @property {import("./model.js").Lane} lane
 * @property {import("./model.js").System} [system] whose bars they are
 * @property {string} word how the lane is perceived, at its first row
 * @property {string} name whose row it is, if there are several
 * @property {number} top
 * @property {number} height
 */

/**
 * Stack lanes: the rows of all systems, and below them the strip; a bare lane has a strip only.
 * Lanes with a name stand apart from each other.
 * @param {import("./model.js").Lane[]} lanes
 * @param {import("./model.js").System[]} systems
 * @param {(lane: import("./model.js").Lane) => string} [wordOf] what the first row is called
 * @param {boolean} [isEdited] whether the bars of the first system are edited
 * @returns {{parts: Part[], height: number}}
 */
export function stack(lanes, systems, wordOf = () => "", isEdited = false) {
  const parts = [];
  let top = 0;
  for (const lane of lanes) {
    const rows = lane.isBare ? [] : systems.map((system, index) => system.isThin
      ? { kind: "thin", system, height: THIN }
      : { kind: "bars", system, height: isEdited && !index ? EDITED_BAR : BAR, name: system.name });
    if (lane.strip) rows.push({ kind: "strip", height: lane.isBare ? BARE : STRIP });
    for (const [index, row] of rows.entries()) {
      parts.push({ lane, name: "", word: index ? "" : wordOf(lane), top, ...row });
      top += row.height + INNER_GAP;
    }
    if (wordOf(lane)) top += LANE_GAP - INNER_GAP;
  }
  const last = parts.at(-1);
  return { parts, height: last ? last.top + last.height : 0 };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{parts: Part[], height: number}} stacked
 * @param {object} scene what all canvases share: `model`, `view`, `palette`, `time`
 */
export function paint(canvas, { parts, height }, scene) {
  const ratio = devicePixelRatio;
  const width = canvas.clientWidth;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  if (!canvas.width) return;
  for (const part of parts) {
    if (part.kind === "strip") {
      paintHeat(context, part, scene, ratio);
      continue;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = scene.palette.lane;
    context.fillRect(0, part.top, width, part.height);
    const pen = { context, width, scene, ...part };
    if (part.kind === "thin") paintThin(pen);
    else paintBars(pen);
  }
}

function paintHeat(context, { lane, top, height }, { view, palette }, ratio) {
  const { rgb } = lane.modality === null ? palette.any : palette.modalities[lane.modality];
  const colors = { hue: rgb, ground: palette.laneRgb };
  const strengths = maxima(lane.strip, view, context.canvas.width);
  paintStrip(context, strengths, colors, Math.round(top * ratio), Math.round(height * ratio));
}

function paintThin(pen) {
  const { context, top, height, scene: { palette } } = pen;
  for (const [{ modality }, left, wide] of inView(pen, barsIn(pen))) {
    context.fillStyle = pen.lane.modality === null ? palette.modalities[modality].hue : palette.truth;
    context.fillRect(left, top, wide, height);
  }
}

function paintBars(pen) {
  const { context, top, height, scene: { chosen, palette, time } } = pen;
  for (const [bar, left, wide] of inView(pen, barsIn(pen))) {
    const style = palette.modalities[bar.modality];
    context.fillStyle = style.hue;
    context.fillRect(left, top, wide, height);
    if (wide >= NARROW) {
      const pattern = context.createPattern(style.pattern, "repeat");
      pattern.setTransform(new DOMMatrix().scale(1 / devicePixelRatio));
      context.fillStyle = pattern;
      context.fillRect(left, top, wide, height);
      const isNow = bar.start <= time && time < bar.end;
      outline(context, left, top, wide, height, isNow ? palette.ink : style.edge, isNow ? 2 : 1);
    }
    if (chosen !== null && bar.id === chosen) paintGrips(pen, left, wide);
  }
  for (const [mark, left, wide] of inView(pen, pen.scene.model.inLane(pen.system.marksByLane, pen.lane))) {
    paintMark(pen, mark, left, wide);
  }
}

/** The bars of a lane; in one for all modalities, the pieces of those that are wanted. */
function barsIn({ lane, system, scene: { model } }) {
  const events = model.inLane(system.eventsByLane, lane);
  return lane.modality === null ? piecesOf(events.filter((event) => model.wants(event))) : events;
}

/** A frame around the bar that is edited, with ends to pull. */
function paintGrips({ context, top, height, scene: { palette } }, left, wide) {
  outline(context, left, top, wide, height, palette.accent, 2);
  context.fillStyle = palette.accent;
  context.fillRect(left, top, GRIP, height);
  context.fillRect(left + wide - GRIP, top, GRIP, height);
}

/** What is missed is a dashed frame where nothing is; what is extra has a bold line under it. */
function paintMark({ context, top, height, scene }, { kind }, left, wide) {
  if (kind === "extra") {
    context.fillStyle = scene.palette.mark;
    context.fillRect(left, top + height - 4, wide, 4);
    return;
  }
  context.setLineDash([4, 3]);
  outline(context, left, top, wide, height, scene.palette.mark, 1.5);
  context.setLineDash([]);
}

function outline(context, left, top, wide, height, color, weight) {
  context.strokeStyle = color;
  context.lineWidth = weight;
  context.strokeRect(left + weight / 2, top + weight / 2, wide - weight, height - weight);
}

/** Events, or marks, with their left edges and widths; none is too thin to see. */
function inView({ width, scene: { view } }, items) {
  return items
    .filter(({ start, end }) => end > view.start && start < view.end)
    .map((item) => {
      const left = Math.max(view.fractionOf(item.start) * width, -10);
      const right = Math.min(view.fractionOf(item.end) * width, width + 10);
      return [item, left, Math.max(right - left, NARROWEST)];
    });
}
