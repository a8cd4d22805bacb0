/** The sliders: they decide anew from the probabilities, by the rules of `mmpyramid.problems.decode`. */

import { find, oncePerFrame } from "./dom.js";

const FIELDS = ["threshold", "visual_threshold", "video_threshold", "gate", "max_gap", "min_length"];

/**
 * @param {import("./model.js").Model} model
 * @param {import("./decode.js").Decoder} initial what the page was made with
 */
export function startThresholds(model, initial) {
  if (!model.scores) return;
  const decoder = { ...initial };
  const inputs = new Map(FIELDS.map((name) => [name, find(name)]).filter(([, input]) => input));
  const decide = oncePerFrame(() => {
    model.decide(decoder);
    find("undecided").hidden = true;
  });
  const thresholds = ["threshold", "video_threshold"].filter((name) => inputs.has(name));
  const show = () => {
    inputs.forEach((input, name) => showValue(input, name, decoder));
    showSensitivity(decoder, thresholds);
  };
  find("sensitivity").addEventListener("input", ({ target }) => {
    for (const name of thresholds) decoder[name] = Number((1 - target.valueAsNumber).toFixed(4));
    decoder.visual_threshold = null;
    show();
    decide();
  });
  for (const [name, input] of inputs) {
    input.addEventListener("input", () => {
      decoder[name] = name === "gate" ? input.value : input.valueAsNumber || 0;
      show();
      decide();
    });
  }
  find("own-visual")?.addEventListener("change", ({ target }) => {
    decoder.visual_threshold = target.checked ? decoder.threshold : null;
    show();
    decide();
  });
  find("reset").addEventListener("click", () => {
    Object.assign(decoder, initial);
    show();
    decide();
  });
  show();
}

/** The one dial: it moves the thresholds together, and says where they stand apart. */
function showSensitivity(decoder, thresholds) {
  const input = find("sensitivity");
  const value = 1 - decoder.threshold;
  const isOne = decoder.visual_threshold === null || decoder.visual_threshold === decoder.threshold;
  const together = isOne && thresholds.every((name) => decoder[name] === decoder.threshold);
  if (document.activeElement !== input) input.value = value;
  find("sensitivity-value").textContent = together ? value.toFixed(2) : "mixed";
}

/** A threshold between two steps of its slider is kept until the slider is moved. */
function showValue(input, name, decoder) {
  const value = decoder[name] ?? decoder.threshold;
  if (document.activeElement !== input) input.value = value;
  const output = find(`${name}-value`);
  if (output) output.textContent = Number(value.toFixed(4)).toString().padEnd(4, value % 1 ? "0" : "");
  if (name !== "visual_threshold") return;
  input.disabled = decoder.visual_threshold === null;
  find("own-visual").checked = !input.disabled;
}
