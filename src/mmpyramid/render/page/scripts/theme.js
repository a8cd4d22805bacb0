/** Light or dark: as the system has it, until the button is pressed. Nothing is stored. */

import { find } from "./dom.js";

/** @param {() => void} onChange called when the colors are others */
export function startTheme(onChange) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = find("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  const show = () => {
    button.setAttribute("aria-pressed", isDark());
    onChange();
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  show();
}
