/** The controls of corrections: buttons, the fields of the chosen event, and what is said aloud. */

import { clock, exactClock, readClock } from "./clock.js";
import { BOTH } from "./decode.js";
import { find } from "./dom.js";
import { moved, stretched } from "./editor.js";
import { countChanges } from "./notes.js";

/**
 * @param {import("./editor.js").Editor} editor
 * @param {import("./player.js").Player} player
 * @returns {{actions: Object<string, () => void>, say: (text: string) => void}} what keys do, too
 */
export function startPanel(editor, player) {
  const { model } = editor;
  const say = (text) => { find("said").textContent = text; };
  const actions = actionsOf(editor, player, say);
  for (const id of ["add", "cut", "delete", "separate", "undo", "redo", "discard"]) {
    find(id).addEventListener("click", actions[id]);
  }
  find("edit").addEventListener("click", actions.edit);
  find("start-here").addEventListener("click", actions.startHere);
  find("end-here").addEventListener("click", actions.endHere);
  followFields(editor, say);
  const listLabels = () => find("known-labels").replaceChildren(...model.labels.map((label) => {
    const option = document.createElement("option");
    option.value = label;
    return option;
  }));
  model.addEventListener("labels", listLabels);
  listLabels();
  const show = () => showState(editor);
  for (const name of ["change", "edit"]) editor.addEventListener(name, show);
  model.addEventListener("decided", show);
  show();
  return { actions, say };
}

/** An event in words. */
export function tellBar({ model }, bar) {
  const { phrase } = model.modalities[bar.modality];
  return `${model.labels[bar.label]}, ${phrase}, ${exactClock(bar.start)} to ${exactClock(bar.end)}`;
}

function actionsOf(editor, player, say) {
  const { model } = editor;
  const told = (act, what) => () => {
    act();
    say(editor.bar ? `${what}: ${tellBar(editor, editor.bar)}` : what);
  };
  const onBar = (act, what) => () => {
    if (editor.bar) told(act, what)();
    else say("No event is chosen.");
  };
  const stretch = (edge) => onBar(() => {
    editor.change(stretched(editor.bar, edge, player.time, false, model.duration));
  }, "Changed");
  return {
    edit: () => {
      editor.toggle();
      say(editor.isOn ? "You can correct events now." : "You look at the timeline again.");
    },
    add: () => {
      const [first] = model.labels.keys();
      editor.add(editor.bar?.label ?? first ?? model.labelCalled("New label"), editor.bar?.modality ?? BOTH, player.time);
      find("bar-label").select();
      say(`Added: ${tellBar(editor, editor.bar)}`);
    },
    cut: () => {
      if (editor.cut(player.time)) say(`Cut: ${tellBar(editor, editor.bar)}`);
      else say("Events are cut where the playhead is: choose one, and move the playhead into it.");
    },
    delete: onBar(() => editor.remove(), "Deleted. Chosen now"),
    separate: onBar(() => editor.separate(), "Separated"),
    undo: told(() => editor.undo(), "Undone"),
    redo: told(() => editor.redo(), "Done again"),
    discard: told(() => editor.discard(), "Discarded; redo brings your corrections back"),
    startHere: stretch("start"),
    endHere: stretch("end"),
    rename: () => find("bar-label").select(),
    perceive: (modality) => onBar(() => editor.change({ modality }), "Changed")(),
    shift: (seconds) => onBar(() => {
      editor.change(moved(editor.bar, seconds, false, model.duration));
      player.seek(editor.bar.start);
    }, "Moved")(),
    next: (step) => {
      editor.chooseNext(step, player.time);
      if (!editor.bar) return;
      player.seek(editor.bar.start);
      say(tellBar(editor, editor.bar));
    },
    leave: () => editor.choose(null),
  };
}

/** Fields change the event when they are left or Enter is pressed; arrows step through tenths. */
function followFields(editor, say) {
  const { model } = editor;
  find("bar-label").addEventListener("change", ({ target }) => {
    const title = target.value.trim();
    if (title) editor.change({ label: model.labelCalled(title) });
    else say("An event needs a label.");
    showState(editor);
  });
  for (const input of document.querySelectorAll("#bar-modality input")) {
    input.addEventListener("change", () => editor.change({ modality: Number(input.value) }));
  }
  for (const edge of ["start", "end"]) {
    const input = find(`bar-${edge}`);
    const put = (time) => editor.change(stretched(editor.bar, edge, time, true, model.duration));
    input.addEventListener("change", () => {
      const time = readClock(input.value);
      if (Number.isNaN(time)) say("A time is written as 2.5 or 1:02.5.");
      else put(time);
      showState(editor);
    });
    input.addEventListener("keydown", (key) => {
      const sign = { ArrowUp: 1, ArrowDown: -1 }[key.key];
      if (!sign) return;
      key.preventDefault();
      put(editor.bar[edge] + sign * (key.shiftKey ? 1 : 0.1));
      say(exactClock(editor.bar[edge]));
    });
  }
}

function showState(editor) {
  const { bar, bars, isOn, isEdited, isSaved, model } = editor;
  find("edit").setAttribute("aria-pressed", isOn);
  find("open-all").disabled = isOn; // each modality has its lane then
  find("editor").hidden = !isOn;
  find("unchosen").hidden = bar !== null;
  find("chosen").hidden = bar === null;
  for (const id of ["cut", "delete"]) find(id).disabled = bar === null;
  find("separate").disabled = bar?.modality !== BOTH;
  find("undo").disabled = !editor.canUndo;
  find("redo").disabled = !editor.canRedo;
  find("discard").hidden = !isEdited;
  find("corrections").textContent = isEdited
    ? `${countChanges(editor.changes)}${isSaved ? ", saved" : ", not saved"}` : "";
  const thresholds = find("thresholds");
  if (thresholds) thresholds.disabled = isEdited;
  if (thresholds) find("resting").hidden = !isEdited;
  if (!bar) return;
  find("bar-label").value = model.labels[bar.label];
  find("bar-start").value = exactClock(bar.start);
  find("bar-end").value = exactClock(bar.end);
  find(`bar-modality-${bar.modality}`).checked = true;
  find("bar-place").textContent = `${bars.indexOf(bar) + 1} of ${bars.length}, ${clock(bar.end - bar.start)} long`;
}
