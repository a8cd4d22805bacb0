/** Which labels and modalities the reader wants to see. */

import { find } from "./dom.js";

/** @param {import("./model.js").Model} model */
export function startFilter(model) {
  const buttons = [...document.querySelectorAll("#modalities button")];
  find("filter").addEventListener("input", ({ target }) => model.filter({ text: target.value }));
  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
      const pressed = [...buttons.keys()].filter((index) =>
        buttons[index].getAttribute("aria-pressed") === "true");
      model.filter({ modalities: new Set(pressed) });
    });
  }
}
