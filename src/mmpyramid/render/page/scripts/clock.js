/** Times as people write them, and where an axis has its ticks. */

/**
 * Seconds as `m:ss` or `h:mm:ss`, with tenths only where there are any.
 * @param {number} seconds
 */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor(tenths / 600) % 60;
  const rest = tenths % 600;
  const text = String(Math.floor(rest / 10)).padStart(2, "0") + (rest % 10 ? `.${rest % 10}` : "");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${text}` : `${minutes}:${text}`;
}

/**
 * The same with thousandths where there are any, for people who type times.
 * @param {number} seconds
 */
export function exactClock(seconds) {
  const rest = Math.round(seconds * 1000) % 100;
  if (!rest) return clock(seconds);
  const tenths = Math.floor(Math.round(seconds * 1000) / 100) / 10;
  const text = clock(tenths);
  return `${text}${text.includes(".") ? "" : ".0"}${String(rest).padStart(2, "0")}`.replace(/0$/, "");
}

/**
 * What was typed as a time: `1:02:03.5`, `2:03.5`, `3.5` or `3,5`.
 * @param {string} text
 * @returns {number} seconds, NaN if it is no time
 */
export function readClock(text) {
  const [, hours = 0, minutes = 0, seconds] =
    /^\s*(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d*)?)\s*$/.exec(text) ?? [];
  return seconds === undefined ? NaN
    : 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds.replace(",", "."));
}

/**
 * Round times within a stretch, at most `most` steps apart.
 * @param {number} start
 * @param {number} end
 * @param {number} most
 * @param {number[]} steps seconds between two ticks to choose from, ascending
 * @returns {number[]}
 */
export function ticks(start, end, most, steps) {
  const days = steps.at(-1) * Math.ceil((end - start) / steps.at(-1) / most);
  const step = steps.find((seconds) => (end - start) / seconds <= most) ?? days;
  const times = [];
  for (let index = Math.ceil(start / step - 1e-9); index * step <= end + 1e-9; index++) {
    times.push(index * step);
  }
  return times;
}
