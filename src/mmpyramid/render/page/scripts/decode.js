/**
 * Probabilities to events: the counterpart of `mmpyramid.problems.decode`, decision for decision.
 *
 * Arrays hold one label after the other: label `c` has the segments from `c * T` on. Thresholds
 * take the precision of the probabilities, float32, as NumPy compares them.
 */

import { runsOf, tidy } from "./runs.js";

export const AUDIO = 0;
export const VISUAL = 1;
export const BOTH = 2;

/**
 * @typedef {object} Decoder the fields of `mmpyramid.core.Decoder`
 * @property {number} threshold
 * @property {number | null} visual_threshold
 * @property {number} video_threshold
 * @property {"global" | "per_modality" | "none"} gate
 * @property {number} max_gap
 * @property {number} min_length
 *
 * @typedef {object} Scores the fields of `Scores` or of `LocalizationScores`
 * @property {"parsing" | "localization"} kind
 * @property {number} segments T
 * @property {number[]} columns which of the page's labels each column is
 * @property {number[]} inferred the labels that are told to be seen only because they are heard
 *
 * @typedef {object} PageEvent
 * @property {number} label which of the page's labels
 * @property {number} modality `AUDIO`, `VISUAL` or `BOTH`
 * @property {number} start seconds
 * @property {number} end seconds
 * @property {number} score mean probability, within 0..1
 * @property {boolean} isInferred told to be seen only because it is heard
 */

/**
 * @param {Scores} scores
 * @param {Decoder} decoder
 * @param {number} duration seconds of the video
 * @param {number[]} missing modalities that the file does not have
 * @returns {PageEvent[]}
 */
export function decode(scores, decoder, duration, missing) {
  const rule = scores.kind === "parsing" ? parsingEvents : localizationEvents;
  return rule(scores, decoder, missing).map((event) => ({
    ...event,
    end: Math.min(event.end, duration),
    isInferred: event.modality !== AUDIO && scores.inferred.includes(event.label),
  }));
}

function parsingEvents(scores, decoder, missing) {
  return scores.columns.flatMap((label, column) => {
    const audio = segmentMask(scores, decoder, column, AUDIO);
    const visual = segmentMask(scores, decoder, column, VISUAL);
    if (missing.includes(AUDIO)) audio.fill(0);
    if (missing.includes(VISUAL)) visual.fill(0);
    const both = audio.map((on, index) => on & visual[index]);
    const heard = columnOf(scores.audio, scores, column);
    const seen = columnOf(scores.visual, scores, column);
    return [
      ...eventsOf(audio, (index) => heard[index], label, AUDIO),
      ...eventsOf(visual, (index) => seen[index], label, VISUAL),
      ...eventsOf(both, (index) => Math.fround(heard[index] * seen[index]), label, BOTH),
    ];
  });
}

/** Where a label can be heard, or seen, after the gate. */
function segmentMask(scores, decoder, column, modality) {
  const isVisual = modality === VISUAL;
  const threshold = Math.fround((isVisual ? decoder.visual_threshold : null) ?? decoder.threshold);
  const mask = maskOf(columnOf(isVisual ? scores.visual : scores.audio, scores, column), threshold);
  closeGate(mask, scores, decoder, column, isVisual);
  return tidy(mask, decoder);
}

function maskOf(values, threshold) {
  const mask = new Uint8Array(values.length);
  for (let index = 0; index < values.length; index++) mask[index] = values[index] >= threshold ? 1 : 0;
  return mask;
}

/** Where the video-level probability does not let a label through, nothing is on. */
function closeGate(mask, scores, decoder, column, isVisual) {
  if (decoder.gate === "none") return;
  const threshold = Math.fround(decoder.video_threshold);
  if (decoder.gate === "global" && scores.local_video) {
    const open = maskOf(columnOf(scores.local_video, scores, column), threshold);
    for (let index = 0; index < mask.length; index++) mask[index] &= open[index];
    return;
  }
  const ofStream = isVisual ? scores.video_visual : scores.video_audio;
  const video = decoder.gate === "global" ? scores.video : ofStream;
  if (video[column] < threshold) mask.fill(0);
}

/** `scores.chosen` is the most probable column of each segment, -1 where the background is. */
function localizationEvents(scores, decoder, missing) {
  if (missing.length) return [];
  const threshold = Math.fround(decoder.threshold);
  return scores.columns.flatMap((label, column) => {
    const mask = Uint8Array.from(scores.relevance, (value, index) =>
      value > threshold && scores.chosen[index] === column ? 1 : 0);
    const values = bothProbability(scores, column);
    return eventsOf(tidy(mask, decoder), (index) => values[index], label, BOTH);
  });
}

function eventsOf(mask, valueOf, label, modality) {
  return runsOf(mask).map(([start, end]) => {
    let sum = 0;
    for (let index = start; index < end; index++) sum += valueOf(index);
    return { label, modality, start, end, score: sum / (end - start) };
  });
}

/**
 * The probabilities of a lane, as drawn under it; null if the scores tell nothing of it.
 * @param {Scores} scores
 * @param {number} column
 * @param {number} modality
 * @returns {Float32Array | null}
 */
export function laneProbability(scores, column, modality) {
  if (modality === BOTH) return bothProbability(scores, column);
  if (scores.kind === "localization") return null;
  return columnOf(modality === AUDIO ? scores.audio : scores.visual, scores, column);
}

/** Of both: the smaller one, which passes a threshold exactly when both pass. */
function bothProbability(scores, column) {
  if (scores.kind === "localization") {
    const category = columnOf(scores.category, scores, column);
    return category.map((value, index) => value * scores.relevance[index]);
  }
  const seen = columnOf(scores.visual, scores, column);
  return columnOf(scores.audio, scores, column).map((value, index) => Math.min(value, seen[index]));
}

function columnOf(values, scores, column) {
  return values.subarray(column * scores.segments, (column + 1) * scores.segments);
}
