/** Which pyramid units selective fusion chose, second by second (Figure 5 of the paper). */

import { inflate } from "./unpack.js";

/**
 * @param {import("./lanes.js").Lanes} lanes
 * @param {{count: number, bytes: string} | null} units weights in hundredths: the units of the
 *   audio features, one after the other, then those of the visual features
 */
export async function addUnits(lanes, units) {
  if (!units) return;
  const hundredths = await inflate(units.bytes);
  const segments = hundredths.length / (2 * units.count);
  for (const [modality, word] of ["audio", "visual"].entries()) {
    const rows = Array.from({ length: units.count }, (_, unit) => {
      const start = (modality * units.count + unit) * segments;
      const weights = Float32Array.from(hundredths.subarray(start, start + segments), (value) => value / 100);
      return { modality, strip: weights, isBare: true, measure: "weight", title: `Unit ${unit + 1}, ${word} features` };
    });
    lanes.addStrips(`Pyramid units, ${word} features`, rows, rows.map((_, unit) => `unit ${unit + 1}`));
  }
}
