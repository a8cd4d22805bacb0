/** What the page of a timeline and that of a comparison have in common. */

import { followView, showTime } from "./axis.js";
import { startCard } from "./card.js";
import { element, find } from "./dom.js";
import { EventList } from "./event-list.js";
import { startFilter } from "./filter.js";
import { followGestures } from "./gestures.js";
import { followKeys, followZoomButtons } from "./keys.js";
import { Lanes } from "./lanes.js";
import { startOverview } from "./overview.js";
import { Player } from "./player.js";
import { startTheme } from "./theme.js";
import { inflateJson } from "./unpack.js";
import { View } from "./view.js";

/**
 * What the parts of a page are to each other.
 * @typedef {object} Started
 * @property {import("./lanes.js").Lanes} lanes
 * @property {EventList} list
 * @property {Player} player
 * @property {View} view
 */

/** What Python wrote into the page. */
export async function readData() {
  const data = JSON.parse(find("data").textContent);
  for (const system of data.systems) {
    system.events = await inflateJson(system.events);
    system.marks = await inflateJson(system.marks);
  }
  return data;
}

/**
 * @param {import("./model.js").Model} model
 * @param {object} data
 * @param {(model: import("./model.js").Model) => import("./event-list.js").Row[]} rowsOf
 * @returns {Started}
 */
export function startPage(model, data, rowsOf) {
  const view = new View(model.duration);
  const player = new Player(model.duration);
  followView(view, model, data.tickSteps);
  const lanes = new Lanes(model, view);
  const list = new EventList(model, player, rowsOf);
  const drawOverview = startOverview(lanes, view);
  const show = () => {
    if (player.isPlaying) view.follow(player.time);
    showTime(player, view);
    lanes.showTime(player.time);
    list.showTime(player.time);
  };
  player.addEventListener("time", show);
  view.addEventListener("change", () => showTime(player, view));
  for (const name of ["events", "filter"]) model.addEventListener(name, show);
  find("play").addEventListener("click", () => player.toggle());
  followGestures(view, player);
  followKeys(view, player);
  followZoomButtons(view, player);
  startFilter(model);
  startCard(lanes, view);
  startTheme(() => {
    lanes.recolor();
    drawOverview();
  });
  preparePrint(lanes, list, drawOverview);
  startMedia(player);
  startOpeners(model);
  show();
  return { lanes, list, player, view };
}

/** The button that opens or closes the lanes of all labels. */
function startOpeners(model) {
  const button = find("open-all");
  const all = () => [...model.labels.keys()];
  const isOpen = () => all().every((label) => model.opened.has(label));
  const show = () => button.setAttribute("aria-pressed", isOpen());
  button.addEventListener("click", () => model.open(all(), !isOpen()));
  model.addEventListener("open", show);
  show();
}

/** On paper everything is there, in the colors of paper. */
function preparePrint(lanes, list, drawOverview) {
  matchMedia("print").addEventListener("change", ({ matches }) => {
    if (matches) list.complete();
    lanes.recolor();
    lanes.redraw({ all: matches });
    drawOverview();
  });
}

/** Follow the media of the page, if there are some that this browser can play. */
function startMedia(player) {
  const media = find("media");
  if (!media) return;
  const isVideo = media.tagName === "VIDEO";
  document.querySelector("main").classList.toggle("side-by-side", isVideo);
  player.attach(media);
  whenever(media, "loadedmetadata", media.readyState > 0, () => {
    if (isVideo && !media.videoWidth) {
      remark("This browser plays the sound of this file, but cannot show its pictures.");
    }
  });
  media.addEventListener("error", () => lose(media, player));
  if (media.error) lose(media, player);
  find("pick").addEventListener("change", ({ target: { files: [file] } }) => {
    if (file) take(media, player, file);
  });
}

/** Go on without media, and let the reader choose the file: it may only have been moved. */
function lose(media, player) {
  const reason = whyLost(media.dataset.name, media.getAttribute("src"));
  find("lost-reason").textContent = `${reason} The lanes and their clock work without it.`;
  find("lost").hidden = false;
  media.hidden = true;
  document.querySelector("main").classList.remove("side-by-side");
  player.detach();
}

function whyLost(name, source) {
  if (source.startsWith("blob:") || source.startsWith("data:")) {
    return `This browser cannot play ${name}.`;
  }
  const path = pathOf(source);
  const place = path === name ? "in the folder of this page" : `where this page looks for it (${path})`;
  return `${name} is not ${place}, or this browser cannot play it.`;
}

/** The path that an address names; the address itself where its bytes are no text. */
function pathOf(source) {
  try {
    return decodeURIComponent(source);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return source;
  }
}

function take(media, player, file) {
  if (media.src.startsWith("blob:")) URL.revokeObjectURL(media.src);
  media.dataset.name = file.name;
  media.src = URL.createObjectURL(file);
  media.hidden = false;
  find("lost").hidden = true;
  document.querySelector("main").classList.toggle("side-by-side", media.tagName === "VIDEO");
  player.attach(media);
}

/** Media starts to load before this script runs, so what is waited for may be over already. */
function whenever(media, name, isOver, act) {
  if (isOver) act();
  else media.addEventListener(name, act, { once: true });
}

function remark(text) {
  find("remarks").append(element("li", "", text));
}
