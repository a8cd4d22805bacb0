/** The page of one timeline. */

import { followEdits } from "./edit-gestures.js";
import { followEditKeys } from "./edit-keys.js";
import { startPanel } from "./edit-panel.js";
import { Editor } from "./editor.js";
import { barRows } from "./event-list.js";
import { keepCorrections } from "./keeping.js";
import { Model } from "./model.js";
import { startSaving } from "./saving.js";
import { readData, startPage } from "./start.js";
import { startThresholds } from "./thresholds.js";
import { addUnits } from "./units.js";

const data = await readData();
const model = new Model(data);
await model.addScores(data.scores);
const editor = new Editor(model);
const { lanes, list, player, view } = startPage(model, data, () => barRows(editor.bars));
model.addEventListener("events", () => showFacts(model));
await addUnits(lanes, data.units);
startThresholds(model, data.decoder);
startEditing();

function startEditing() {
  const { actions, say } = startPanel(editor, player);
  const save = startSaving(editor, data.saved, say);
  followEdits(editor, lanes, view, player);
  followEditKeys(editor, actions, save);
  list.onPress = ({ id }) => { if (editor.isOn) editor.choose(id); };
  editor.addEventListener("change", () => {
    lanes.choose(editor.chosen);
    list.choose(editor.chosen);
  });
  keepCorrections(editor, data.saved.key, say);
}

/** The fact above the lanes that depends on the thresholds, and on corrections. */
function showFacts({ systems: [{ events }], labels }) {
  const found = new Set(events.map(({ label }) => label));
  document.querySelector('[data-fact="Labels found"]').textContent = `${found.size} of ${labels.length}`;
}
