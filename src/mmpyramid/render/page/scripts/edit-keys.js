/** The keyboard while events are corrected. Letters work outside of fields only. */

import { TYPED_INTO } from "./keys.js";

const STEPS = { ",": -0.1, ".": 0.1, "<": -1, ">": 1, ";": -1, ":": 1 }; // seconds

/**
 * @param {import("./editor.js").Editor} editor
 * @param {Object<string, Function>} actions of `startPanel`
 * @param {() => void} save
 */
export function followEditKeys(editor, actions, save) {
  const keys = {
    a: actions.add,
    c: actions.cut,
    i: actions.startHere,
    o: actions.endHere,
    r: actions.rename,
    n: () => actions.next(1),
    p: () => actions.next(-1),
    1: () => actions.perceive(0),
    2: () => actions.perceive(1),
    3: () => actions.perceive(2),
    Delete: actions.delete,
    Backspace: actions.delete,
    Escape: actions.leave,
    ...Object.fromEntries(Object.entries(STEPS).map(([key, step]) => [key, () => actions.shift(step)])),
  };
  const withControl = {
    z: (isShifted) => (isShifted ? actions.redo() : actions.undo()),
    y: actions.redo,
    s: save,
  };
  document.addEventListener("keydown", (key) => {
    const name = key.key.length === 1 ? key.key.toLowerCase() : key.key;
    const isControl = key.ctrlKey || key.metaKey;
    const act = isControl ? withControl[name] : keys[name];
    if (name === "e" && !isControl && !key.altKey && !key.target.closest(TYPED_INTO)) {
      actions.edit();
      return;
    }
    if (!editor.isOn || !act || key.altKey || key.target.closest(TYPED_INTO)) return;
    key.preventDefault();
    act(key.shiftKey);
  });
}
