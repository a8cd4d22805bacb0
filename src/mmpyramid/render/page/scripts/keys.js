/** The keyboard, and the buttons that zoom. */

import { find } from "./dom.js";

const ZOOM = 1.5;
export const TYPED_INTO = "input:not([type=range], [type=radio], [type=checkbox]), select, textarea";
const ARROWS_THEIR_OWN = "video, audio, input[type=range], input[type=radio]";
const SPACE_THEIR_OWN = "video, audio, button, summary, a, input";

/**
 * @param {import("./view.js").View} view
 * @param {import("./player.js").Player} player
 */
export function followKeys(view, player) {
  const moves = {
    ArrowLeft: (step) => player.seek(player.time - step),
    ArrowRight: (step) => player.seek(player.time + step),
    Home: () => player.seek(0),
    End: () => player.seek(player.duration),
  };
  const actions = {
    ...moves,
    " ": () => player.toggle(),
    j: () => player.fasterBackward(),
    k: () => player.pause(),
    l: () => player.faster(),
    "+": () => zoom(view, player, 1 / ZOOM),
    "=": () => zoom(view, player, 1 / ZOOM),
    "-": () => zoom(view, player, ZOOM),
    0: () => view.fit(),
  };
  document.addEventListener("keydown", (key) => {
    const name = key.key.length === 1 ? key.key.toLowerCase() : key.key;
    const theirOwn = name === " " ? SPACE_THEIR_OWN : name in moves ? ARROWS_THEIR_OWN : "";
    if (!(name in actions) || key.ctrlKey || key.altKey || key.metaKey) return;
    if (key.target.closest([TYPED_INTO, theirOwn].filter(Boolean).join())) return;
    key.preventDefault();
    actions[name](key.shiftKey ? 10 : 1);
  });
}

/** The buttons that zoom. */
export function followZoomButtons(view, player) {
  find("zoom-in").addEventListener("click", () => zoom(view, player, 1 / ZOOM));
  find("zoom-out").addEventListener("click", () => zoom(view, player, ZOOM));
  find("fit").addEventListener("click", () => view.fit());
}

/** About the cursor where it is in view, else about the middle. */
function zoom(view, player, factor) {
  const fraction = view.fractionOf(player.time);
  view.zoom(factor, fraction >= 0 && fraction <= 1 ? player.time : view.timeAt(0.5));
}
