/** Corrections outlast a reload: the browser keeps them, by the content of the timeline. */

/**
 * Take up what was kept, and keep what is done from now on.
 * @param {import("./editor.js").Editor} editor
 * @param {string} key of the timeline
 * @param {(text: string) => void} say tells the reader what was done, or cannot be
 */
export function keepCorrections(editor, key, say) {
  const { model } = editor;
  const storage = storageOf(window);
  if (!storage) return;
  const name = `mmpyramid ${key}`;
  const kept = storage.getItem(name);
  if (kept) {
    const { labels, ...state } = JSON.parse(kept);
    labels.forEach((label) => model.labelCalled(label));
    editor.restore(state);
    say("Your corrections of this timeline are here again.");
  }
  editor.addEventListener("edit", () => {
    if (!editor.isEdited) {
      storage.removeItem(name);
      return;
    }
    try {
      storage.setItem(name, JSON.stringify({ ...editor.keep(), labels: model.labels.slice(model.numKnown) }));
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      say("This browser has no room to keep the corrections: save them before you leave.");
    }
  });
}

/**
 * A page of its own keeps them for the next time, one in a frame (of a notebook, of the app) for as
 * long as it is open. Null where the browser forbids it, as in some frames.
 */
function storageOf(window) {
  try {
    return window.top === window ? window.localStorage : window.sessionStorage;
  } catch (error) {
    if (error.name !== "SecurityError") throw error;
    return null;
  }
}
