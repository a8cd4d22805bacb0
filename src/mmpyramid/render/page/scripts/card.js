/** The card beside the pointer: what is under it, with its numbers. */

import { clock } from "./clock.js";
import { element, find } from "./dom.js";
import { fractionAt } from "./gestures.js";

/**
 * @param {import("./lanes.js").Lanes} lanes
 * @param {import("./view.js").View} view
 */
export function startCard(lanes, view) {
  const area = find("lanes");
  const card = find("card");
  area.addEventListener("pointermove", (pointer) => {
    const fraction = fractionAt(pointer);
    card.hidden = fraction < 0 || fraction > 1;
    if (card.hidden) return;
    const part = lanes.at(pointer.clientX, pointer.clientY);
    card.replaceChildren(...lines(lanes.scene.model, part, view.timeAt(fraction)));
    place(card, pointer);
  });
  area.addEventListener("pointerleave", () => { card.hidden = true; });
}

function lines(model, part, time) {
  if (!part) return [element("p", "", clock(time))];
  if (part.lane.modality === null) {
    const title = element("p", "title", model.labels[part.lane.label]);
    const lanes = model.lanesOf(part.lane.label).filter((lane) => model.wants(lane));
    const about = lanes.flatMap((lane) => {
      const { word } = model.modalities[lane.modality];
      return [...tellEvents(model, { lane }, time), ...tellValue({ lane }, time)].map((text) => `${word}: ${text}`);
    });
    return [title, ...[...about, clock(time)].map((text) => element("p", "", text))];
  }
  const { name, phrase } = model.modalities[part.lane.modality];
  const text = part.lane.title ?? `${model.labels[part.lane.label]}, ${phrase}`;
  const title = element("p", "title", text);
  title.prepend(element("i", `swatch ${name}`));
  const value = tellValue(part, time).map((text) => `${text} at ${clock(time)}`);
  const about = [...tellEvents(model, part, time), ...(value.length ? value : [clock(time)])];
  return [title, ...about.map((text) => element("p", "", text))];
}

function tellEvents(model, { lane }, time) {
  const covers = ({ start, end }) => start <= time && time < end;
  const told = [];
  for (const { name, isScored, eventsByLane, marksByLane } of model.systems) {
    const prefix = name ? `${name}: ` : "";
    for (const { start, end, score, events, isInferred } of model.inLane(eventsByLane, lane).filter(covers)) {
      const scored = events === null ? ", by hand" : isScored ? `, score ${score.toFixed(2)}` : "";
      const inferred = isInferred ? ", inferred from the sound" : "";
      told.push(`${prefix}${clock(start)} to ${clock(end)}${scored}${inferred}`);
    }
    for (const { start, end, kind } of model.inLane(marksByLane, lane).filter(covers)) {
      told.push(`${prefix}${kind} ${clock(start)} to ${clock(end)}`);
    }
  }
  return told;
}

function tellValue({ lane }, time) {
  const value = lane.strip?.[Math.floor(time)];
  return value === undefined ? [] : [`${lane.measure ?? "probability"} ${value.toFixed(2)}`];
}

function place(card, { clientX, clientY }) {
  const rightmost = document.documentElement.clientWidth - card.offsetWidth - 8;
  card.style.left = `${Math.max(Math.min(clientX + 14, rightmost), 8)}px`;
  const above = clientY - card.offsetHeight - 14;
  card.style.top = `${above < 8 ? clientY + 20 : above}px`;
}
