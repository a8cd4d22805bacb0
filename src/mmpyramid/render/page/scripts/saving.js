/** What is shown as a file: written here, so that no program and no server is needed. */

import { find } from "./dom.js";
import { toCsv, toElan, toJson } from "./files.js";
import { correctionNotes } from "./notes.js";

const FORMATS = {
  json: { type: "application/json", write: toJson },
  eaf: { type: "text/xml", write: toElan },
  csv: { type: "text/csv", write: toCsv },
};

/**
 * @param {import("./editor.js").Editor} editor
 * @param {object} saved what the page was made with: `head` (the timeline without its events),
 *   `stem` (of file names), `version`, `mediaType`
 * @param {(text: string) => void} say
 * @returns {() => void} saves the timeline itself
 */
export function startSaving(editor, saved, say) {
  const save = (format) => {
    const { type, write } = FORMATS[format];
    const name = `${saved.stem}.${format}`;
    download(name, new Blob([write(timelineOf(editor, saved.head), saved)], { type }));
    editor.markSaved();
    find("save").open = false;
    say(`Saved as ${name}, among your downloads.`);
  };
  for (const format of Object.keys(FORMATS)) {
    find(`save-${format}`).addEventListener("click", () => save(format));
  }
  find("save").addEventListener("toggle", () => offerFiles(editor));
  document.addEventListener("click", ({ target }) => {
    if (!find("save").contains(target)) find("save").open = false;
  });
  window.addEventListener("beforeunload", (leaving) => {
    if (editor.isEdited && !editor.isSaved) leaving.preventDefault();
  });
  return () => save("json");
}

/** What a server writes has the thresholds of the page, but it does not know corrections. */
function offerFiles({ isEdited, model }) {
  const links = [...document.querySelectorAll("#save a")];
  const chosen = Object.entries(model.decoder).filter(([, value]) => value !== null);
  for (const link of links) {
    const address = new URL(link.href);
    for (const [name, value] of chosen) address.searchParams.set(name, value);
    if (model.decoder.visual_threshold === null) address.searchParams.delete("visual_threshold");
    link.href = address;
    link.parentElement.hidden = isEdited;
  }
  find("files-rest").hidden = !isEdited || !links.length;
}

/** The timeline that is shown. It says what a person corrected. */
function timelineOf({ model, changes }, head) {
  const { modalities, names, systems: [{ events }] } = model;
  const nameOf = ({ label, modality }) => `${model.labels[label]}, ${modalities[modality].phrase}`;
  return {
    ...head,
    events: events.map(({ label, modality, start, end, score, isInferred }) => (
      { start, end, label: names[label], modality: modalities[modality].name, score, ...(isInferred && { inferred: true }) })),
    labels: [...new Set([...head.labels, ...events.map(({ label }) => names[label])])],
    notes: [...head.notes, ...correctionNotes(changes, nameOf)],
  };
}

function download(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
