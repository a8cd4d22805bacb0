/** What a corrected timeline says of its corrections: the events that a person changed, as they were. */

import { clock } from "./clock.js";

/**
 * @param {{changed: [object, object][], added: object[], deleted: object[]}} changes of bars
 * @param {(bar: import("./bars.js").Bar) => string} nameOf label and modality in words
 * @returns {string[]} one note, whose first line is the gist; none without corrections
 */
export function correctionNotes(changes, nameOf) {
  const { changed, added, deleted } = changes;
  if (!changed.length && !added.length && !deleted.length) return [];
  const tell = (bar) => `${nameOf(bar)}, ${clock(bar.start)} to ${clock(bar.end)}`;
  const tellScored = (bar) => `${tell(bar)} (score ${bar.score.toFixed(2)})`;
  return [[
    `Corrected by hand: ${countChanges(changes)}`,
    ...changed.map(([was, is]) => `changed: ${tellScored(was)}, now ${tell(is)}`),
    ...added.map((bar) => `added: ${tell(bar)}`),
    ...deleted.map((bar) => `deleted: ${tellScored(bar)}`),
  ].join("\n")];
}

/** Such as "2 events changed, 1 deleted". */
export function countChanges({ changed, added, deleted }) {
  const counts = { changed: changed.length, added: added.length, deleted: deleted.length };
  const told = Object.entries(counts).filter(([, count]) => count)
    .map(([what, count], index) => {
      const noun = index ? "" : count === 1 ? " event" : " events";
      return `${count}${noun} ${what}`;
    });
  return told.join(", ") || "nothing changed";
}
