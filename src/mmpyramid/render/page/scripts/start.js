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
 * @returns {Lanes}
 */
export function startPage(model, data, rowsOf) {
  const view = new View(model.duration);
  const player = new Player(model.duration);
  followView(view, data.tickSteps);
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
  show();
  return lanes;
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
  whenever(media, "error", media.error, () => {
    media.parentElement.hidden = true;
    document.querySelector("main").classList.remove("side-by-side");
    remark("This browser cannot play the file; the lanes and their clock work without it.");
    player.detach();
  });
}

/** Media starts to load before this script runs, so what is waited for may be over already. */
function whenever(media, name, isOver, act) {
  if (isOver) act();
  else media.addEventListener(name, act, { once: true });
}

function remark(text) {
  find("remarks").append(element("li", "", text));
}
