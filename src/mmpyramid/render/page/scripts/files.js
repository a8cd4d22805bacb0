/**
 * Timelines as files: the counterpart of `mmpyramid.core.timeline` and of `to_csv` and `to_elan` in
 * `mmpyramid.formats`.
 *
 * @typedef {object} Timeline what `Timeline.to_json` writes, with times and scores as numbers
 */

const MODALITIES = ["audio", "visual", "audio_visual"];
const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/;
const MILLISECONDS = 1e3; // per second
const MICROSECONDS = 1e6;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** @param {Timeline} timeline */
export function toJson(timeline) {
  return JSON.stringify(timeline, null, 2);
}

/** @param {Timeline} timeline */
export function toCsv({ events }) {
  const hasInferred = events.some(({ inferred }) => inferred);
  const rows = events.map(({ label, modality, start, end, score, inferred = false }) =>
    [escaped(label), modality, ...toTicks(start, end, MICROSECONDS).map((tick) => decimal(tick / MICROSECONDS)), rounded(score), ...(hasInferred ? [String(inferred)] : [])]);
  return [["label", "modality", "start", "end", "score", ...(hasInferred ? ["inferred"] : [])], ...rows]
    .map((cells) => `${cells.map(quoted).join()}\n`).join("");
}

/**
 * @param {Timeline} timeline
 * @param {{version: string, mediaType: string}} made of the program, and of the timeline's source
 */
export function toElan({ events, labels, ...head }, { version, mediaType }) {
  const slots = [];
  const tiers = MODALITIES.flatMap((modality) => tiersOf(events, modality, slots));
  const kept = { ...head, events: [], labels: [] };
  return `<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="mmpyramid ${xml(version)}" DATE="1970-01-01T00:00:00+00:00" FORMAT="2.8" VERSION="2.8" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv2.8.xsd">
<HEADER>${mediaElement(head.source, mediaType)}<PROPERTY NAME="mmpyramid">${xml(ascii(kept))}</PROPERTY></HEADER>
<TIME_ORDER>${slots.map((time, index) => `<TIME_SLOT TIME_SLOT_ID="ts${index + 1}" TIME_VALUE="${time}"/>`).join("")}</TIME_ORDER>
${tiers.join("\n")}
<LINGUISTIC_TYPE CONTROLLED_VOCABULARY_REF="labels" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="event" TIME_ALIGNABLE="true"/>
<LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="score" TIME_ALIGNABLE="false"/>
<LANGUAGE LANG_DEF="http://cdb.iso.org/lg/CDB-00130975-001" LANG_ID="und" LANG_LABEL="undetermined (und)"/>
<CONSTRAINT DESCRIPTION="1-1 association with a parent annotation" STEREOTYPE="Symbolic_Association"/>
<CONTROLLED_VOCABULARY CV_ID="labels">
${labels.map((label, index) => `<CV_ENTRY_ML CVE_ID="cveid${index}"><CVE_VALUE LANG_REF="und">${xml(label)}</CVE_VALUE></CV_ENTRY_ML>`).join("\n")}
</CONTROLLED_VOCABULARY>
</ANNOTATION_DOCUMENT>
`;
}

/** The tiers of a modality and, under each, that of its scores; no events of one tier overlap. */
function tiersOf(events, modality, slots) {
  const tiers = [[]];
  for (const event of events.filter((each) => each.modality === modality)) {
    const [start, end] = toTicks(event.start, event.end, MILLISECONDS);
    const free = tiers.find((tier) => !tier.length || tier.at(-1).end <= start);
    const score = `${rounded(event.score)}${event.inferred ? " inferred" : ""}`;
    const annotation = { start, end, label: event.label, score };
    if (free) free.push(annotation);
    else tiers.push([annotation]);
  }
  return tiers.map((tier, index) => {
    const name = index ? `${modality} ${index + 1}` : modality;
    const made = tier.map((each) => {
      const last = slots.push(each.start, each.end);
      return { ...each, id: `a${last - 1}`, scoreId: `a${last}`, from: `ts${last - 1}`, to: `ts${last}` };
    });
    return `<TIER LINGUISTIC_TYPE_REF="event" TIER_ID="${name}">${made.map(({ id, from, to, label }) =>
      `<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="${id}" TIME_SLOT_REF1="${from}" TIME_SLOT_REF2="${to}"><ANNOTATION_VALUE>${xml(label)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>`).join("")}</TIER>
<TIER LINGUISTIC_TYPE_REF="score" PARENT_REF="${name}" TIER_ID="${name} score">${made.map(({ id, scoreId, score }) =>
      `<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="${scoreId}" ANNOTATION_REF="${id}"><ANNOTATION_VALUE>${score}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>`).join("")}</TIER>`;
  });
}

function mediaElement(source, type) {
  if (!type) return "";
  const url = xml(`./${source}`);
  return `<MEDIA_DESCRIPTOR MEDIA_URL="${url}" RELATIVE_MEDIA_URL="${url}" MIME_TYPE="${xml(type)}"/>`;
}

/** Start and end on the grid of a format; an event lasts one tick at least. */
function toTicks(start, end, perSecond) {
  const from = Math.round(start * perSecond);
  return [from, Math.max(Math.round(end * perSecond), from + 1)];
}

function rounded(score) {
  return decimal(Math.round(score * 1e6) / 1e6);
}

/** As Python writes numbers. */
function decimal(value) {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** A cell that no spreadsheet runs as a formula. */
function escaped(cell) {
  return FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell;
}

function quoted(cell) {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function ascii(value) {
  return JSON.stringify(value).replace(/[\u0080-\uffff]/g, (character) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Text that XML can hold: what cannot be printed is replaced. */
function xml(text) {
  return text.replace(/(?![\u200c\u200d])[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
