/** The page of one timeline. */

import { eventRows } from "./event-list.js";
import { Model } from "./model.js";
import { readData, startPage } from "./start.js";
import { startThresholds } from "./thresholds.js";
import { addUnits } from "./units.js";

const data = await readData();
const model = new Model(data);
await model.addScores(data.scores);
const lanes = startPage(model, data, eventRows);
model.addEventListener("events", () => showFacts(model));
await addUnits(lanes, data.units);
startThresholds(model, data.decoder);

/** The facts above the lanes that depend on the thresholds. */
function showFacts({ systems: [{ events }], labels }) {
  const found = new Set(events.map(({ label }) => label));
  const facts = { Events: events.length, "Labels found": `${found.size} of ${labels.length}` };
  for (const [name, fact] of Object.entries(facts)) {
    document.querySelector(`[data-fact="${name}"]`).textContent = fact;
  }
}
