/** Events as bars that people look at and edit, and back. Nothing here knows the document. */

import { AUDIO, BOTH, VISUAL } from "./decode.js";

/**
 * What is heard and seen at once is told three times in a timeline: as heard, as seen, as both. It
 * is one bar here if all three begin and end together; otherwise the third follows from the others.
 *
 * @typedef {object} Bar
 * @property {number} id
 * @property {number} label which of the page's labels
 * @property {number} modality
 * @property {number} start seconds
 * @property {number} end seconds
 * @property {number} score
 * @property {boolean} [isInferred]
 * @property {import("./decode.js").PageEvent[] | null} events those that it stands for; null if a
 *   person made or changed it
 *
 * @typedef {object} Habit how a timeline tells what is heard and seen at once
 * @property {import("./decode.js").PageEvent[]} implied events that follow from two others
 * @property {boolean} isComplete whether all that follow are there
 * @property {boolean} isAlone whether it is told as both only, and not as heard and as seen too
 */

/**
 * @param {import("./decode.js").PageEvent[]} events
 * @returns {{bars: Bar[], habit: Habit}}
 */
export function readBars(events) {
  const bars = [];
  const habit = { implied: [], isComplete: true, isAlone: false };
  for (const own of Map.groupBy(events, ({ label }) => label).values()) {
    const [heard, seen, both] = byModality(own);
    const left = new Set(own);
    for (const shared of overlaps(heard, seen)) {
      const implied = both.find((event) => left.has(event) && isSameTime(event, shared));
      habit.isComplete &&= implied !== undefined;
      if (!implied) continue;
      habit.implied.push(implied);
      left.delete(implied);
      if (!isSameTime(shared.heard, shared.seen)) continue;
      left.delete(shared.heard);
      left.delete(shared.seen);
      bars.push({ ...implied, events: [shared.heard, shared.seen] });
    }
    habit.isAlone ||= both.some((event) => left.has(event));
    for (const event of left) bars.push({ ...event, events: [event] });
  }
  return { bars: bars.sort(byTime).map((bar, id) => ({ ...bar, id })), habit };
}

/**
 * The events of a timeline, as `readBars` found them where nobody changed anything. Bars of a person
 * have the score 1; where one overlaps another of its label and modality, both are one event.
 * @param {Bar[]} bars
 * @param {Habit} habit
 * @returns {import("./decode.js").PageEvent[]}
 */
export function writeEvents(bars, habit) {
  const events = [];
  for (const own of Map.groupBy(bars, ({ label }) => label).values()) {
    const told = own.flatMap((bar) => bar.events ?? byHand(bar, habit));
    const [heard, seen, both] = byModality(told).map(join);
    for (const shared of overlaps(heard, seen)) {
      const implied = habit.implied.find((event) =>
        event.label === shared.heard.label && isSameTime(event, shared));
      const isUntouched = !shared.heard.isByHand && !shared.seen.isByHand;
      if (implied && isUntouched) both.push(implied);
      else if (habit.isComplete) both.push(made(shared.heard.label, BOTH, shared));
    }
    events.push(...heard, ...seen, ...both);
  }
  return events.sort(byTime);
}

/** Order of events in a list. */
export function byTime(one, other) {
  return one.start - other.start || one.end - other.end || one.label - other.label
    || one.modality - other.modality;
}

/**
 * The pieces of a label: where it is heard only, seen only, or both.
 * @param {import("./decode.js").PageEvent[]} events of one label
 * @returns {{modality: number, start: number, end: number}[]}
 */
export function piecesOf(events) {
  const times = [...new Set(events.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const pieces = [];
  for (const [index, end] of times.slice(1).entries()) {
    const start = times[index];
    const there = events.filter((event) => event.start <= start && end <= event.end);
    const isHeard = there.some(({ modality }) => modality !== VISUAL);
    const isSeen = there.some(({ modality }) => modality !== AUDIO);
    if (!isHeard && !isSeen) continue;
    const modality = isHeard && isSeen ? BOTH : isHeard ? AUDIO : VISUAL;
    const last = pieces.at(-1);
    const isBroken = there.some((event) => event.start === start);
    if (last?.end === start && last.modality === modality && !isBroken) last.end = end;
    else pieces.push({ modality, start, end });
  }
  return pieces;
}

/** What became of bars: those that were changed (as they were and are), added and deleted. */
export function compareBars(before, after) {
  const was = new Map(before.map((bar) => [bar.id, bar]));
  const left = new Set(after.map(({ id }) => id));
  const touched = after.filter(({ events }) => !events);
  return {
    changed: touched.filter(({ id }) => was.has(id)).map((bar) => [was.get(bar.id), bar]),
    added: touched.filter(({ id }) => !was.has(id)),
    deleted: before.filter(({ id }) => !left.has(id)),
  };
}

/** A bar of a person as events. */
function byHand({ label, modality, ...times }, { isAlone }) {
  const modalities = modality === BOTH && !isAlone ? [AUDIO, VISUAL] : [modality];
  return modalities.map((each) => made(label, each, times));
}

function made(label, modality, { start, end }) {
  return { label, modality, start, end, score: 1, isByHand: true };
}

function byModality(events) {
  return [AUDIO, VISUAL, BOTH].map((wanted) => events.filter(({ modality }) => modality === wanted));
}

/** Events of one label and modality, those that overlap one of a person made one with it. */
function join(events) {
  const joined = [];
  for (const event of events.toSorted(byTime)) {
    const last = joined.at(-1);
    if (last && event.start < last.end && (last.isByHand || event.isByHand)) {
      const times = { start: last.start, end: Math.max(last.end, event.end) };
      joined[joined.length - 1] = made(event.label, event.modality, times);
    } else {
      joined.push(event);
    }
  }
  return joined;
}

/** Where something is heard and seen at once: each event of one list with each of the other. */
function overlaps(heard, seen) {
  return heard.flatMap((one) => seen
    .filter((other) => one.start < other.end && other.start < one.end)
    .map((other) => ({
      heard: one,
      seen: other,
      start: Math.max(one.start, other.start),
      end: Math.min(one.end, other.end),
    })));
}

function isSameTime(one, other) {
  return one.start === other.start && one.end === other.end;
}
