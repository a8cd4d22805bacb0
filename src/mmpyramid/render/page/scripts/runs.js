/** Maximal runs of a mask: the counterpart of `mmpyramid.core.runs`. */

/**
 * @param {Uint8Array} mask 1 where a segment is on
 * @param {number} wanted the value of which runs are
 * @returns {[number, number][]} start and stop of each
 */
export function runsOf(mask, wanted = 1) {
  const runs = [];
  let start = -1;
  for (let index = 0; index <= mask.length; index++) {
    const inside = index < mask.length && mask[index] === wanted;
    if (inside && start < 0) start = index;
    if (!inside && start >= 0) {
      runs.push([start, index]);
      start = -1;
    }
  }
  return runs;
}

/**
 * Fill short gaps, then drop short runs, in place.
 * @param {Uint8Array} mask
 * @param {import("./decode.js").Decoder} decoder
 */
export function tidy(mask, decoder) {
  for (const [start, stop] of runsOf(mask, 0)) {
    const inner = start > 0 && stop < mask.length;
    if (inner && stop - start <= decoder.max_gap) mask.fill(1, start, stop);
  }
  for (const [start, stop] of runsOf(mask)) {
    if (stop - start < decoder.min_length) mask.fill(0, start, stop);
  }
  return mask;
}
