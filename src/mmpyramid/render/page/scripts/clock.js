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
