"use strict";

const page = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const percent = (seconds) => `${(seconds / page.duration) * 100}%`;

/** Keeps time where there is no media, or none that this browser can play. */
class SilentClock extends EventTarget {
  #offset = 0;
  #startedAt = null;

  get paused() { return this.#startedAt === null; }

  get currentTime() {
    const elapsed = this.paused ? 0 : (performance.now() - this.#startedAt) / 1000;
    return Math.min(this.#offset + elapsed, page.duration);
  }

  set currentTime(seconds) {
    this.#offset = seconds;
    if (!this.paused) this.#startedAt = performance.now();
    this.dispatchEvent(new Event("seeking"));
  }

  play() {
    if (this.currentTime >= page.duration) this.#offset = 0;
    this.#startedAt = performance.now();
    this.dispatchEvent(new Event("play"));
  }

  pause() {
    this.#offset = this.currentTime;
    this.#startedAt = null;
    this.dispatchEvent(new Event("pause"));
  }
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor(tenths / 600) % 60;
  const rest = tenths % 600;
  const text = String(Math.floor(rest / 10)).padStart(2, "0") + (rest % 10 ? `.${rest % 10}` : "");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${text}` : `${minutes}:${text}`;
}

/* ---- drawing what stays ---- */

const shown = []; // every event with its two elements: the bar in its lane, the row in the list

function drawAxis() {
  const axis = find("axis");
  const widest = (clock(page.duration).length + 3) * 8;
  const most = Math.max(Math.floor(axis.clientWidth / widest), 1);
  const steps = page.tickSteps;
  const step = steps.find((seconds) => page.duration / seconds <= most) ?? steps.at(-1);
  axis.replaceChildren();
  for (let index = 0; index * step <= page.duration + 1e-9; index++) {
    const tick = element("div", "tick");
    tick.style.left = percent(index * step);
    tick.classList.toggle("at-end", page.duration - index * step < step / 3);
    tick.append(element("span", "", clock(index * step)));
    axis.append(tick);
  }
}

function drawLanes() {
  const weak = find("weak");
  for (const [label, lanes] of Map.groupBy(page.lanes, (lane) => lane.label)) {
    const group = element("div", "group");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", label);
    group.append(element("h3", "", label));
    for (const lane of lanes) group.append(element("div", "word", lane.word), drawTrack(lane));
    if (lanes.some((lane) => lane.events.length)) weak.before(group);
    else weak.append(group);
  }
  weak.hidden = weak.childElementCount === 1; // its summary alone
  weak.open = shown.length === 0;
}

function drawTrack(lane) {
  const track = element("div", `track ${lane.modality}`);
  const band = element("div", "band");
  track.lane = lane;
  band.setAttribute("role", "list");
  band.setAttribute("aria-label", `${lane.label}, ${lane.phrase}`);
  for (const [start, end, score] of lane.events) {
    const bar = element("div", "event");
    bar.style.left = percent(start);
    bar.style.width = percent(end - start);
    bar.classList.toggle("narrow", (end - start) / page.duration < 0.01);
    bar.setAttribute("role", "listitem");
    bar.event = { lane, start, end, score };
    bar.setAttribute("aria-label", describe(bar.event));
    band.append(bar);
    shown.push({ ...bar.event, bar });
  }
  track.append(band);
  if (lane.strip) {
    lane.cells = Uint8Array.from(atob(lane.strip), (character) => character.charCodeAt(0));
    const strip = element("div", "strip");
    strip.append(element("canvas"));
    track.append(strip);
  }
  return track;
}

function drawStrips() {
  for (const canvas of document.querySelectorAll(".strip canvas")) {
    const { cells } = canvas.closest(".track").lane;
    canvas.width = cells.length;
    canvas.height = 1;
    canvas.style.width = percent(cells.length * page.secondsPerCell);
    const context = canvas.getContext("2d");
    context.fillStyle = getComputedStyle(canvas).getPropertyValue("--hue");
    cells.forEach((cell, index) => {
      context.globalAlpha = cell / 255;
      context.fillRect(index, 0, 1, 1);
    });
  }
}

function drawEvents() {
  shown.sort((one, other) => one.start - other.start || one.end - other.end);
  for (const event of shown) {
    const row = element("li");
    const button = element("button");
    const name = element("span", "", `${event.lane.label} `);
    name.append(element("small", "", event.lane.word));
    button.type = "button";
    button.append(
      element("span", "time", times(event)),
      element("i", `swatch ${event.lane.modality}`), name,
      element("small", "", event.score.toFixed(2)));
    button.setAttribute("aria-label", describe(event));
    button.addEventListener("click", () => seek(event.start));
    event.row = row;
    row.append(button);
    find("events").append(row);
  }
  const longest = Math.max(...shown.map((event) => times(event).length));
  find("events").style.setProperty("--time-width", `${longest}ch`);
  find("events").parentElement.hidden = shown.length === 0;
  document.querySelector(".legend").hidden = page.lanes.length === 0;
  find("nothing").hidden = shown.length > 0;
}

function times({ start, end }) {
  return `${clock(start)} – ${clock(end)}`;
}

function describe({ lane, start, end, score }) {
  return `${lane.label}, ${lane.phrase}, ${clock(start)} to ${clock(end)}, score ${score.toFixed(2)}`;
}

/* ---- drawing what moves ---- */

let player = null;
let nextFrame = 0;

function attach(next) {
  player = next;
  for (const name of ["play", "pause", "seeking", "seeked", "timeupdate", "ended"]) {
    player.addEventListener(name, drawNow);
  }
  drawNow();
}

function drawNow() {
  cancelAnimationFrame(nextFrame);
  const time = Math.min(player.currentTime, page.duration);
  if (player instanceof SilentClock && !player.paused && time >= page.duration) player.pause();
  find("cursor").style.transform = `translateX(${percent(time)})`;
  find("now").textContent = `${clock(Math.floor(time))} / ${clock(page.duration)}`;
  find("play").classList.toggle("playing", !player.paused);
  find("play").setAttribute("aria-label", player.paused ? "Play" : "Pause");
  find("axis").setAttribute("aria-valuenow", time.toFixed(1));
  find("axis").setAttribute("aria-valuetext", clock(time));
  markCurrent(time);
  if (!player.paused) nextFrame = requestAnimationFrame(drawNow);
}

function markCurrent(time) {
  let newest = null;
  for (const event of shown) {
    const on = event.start <= time && time < event.end;
    if (on === Boolean(event.on)) continue;
    event.on = on;
    event.bar.classList.toggle("on", on);
    event.row.classList.toggle("on", on);
    if (on) newest = event.row;
  }
  if (newest) find("events").scrollTop = newest.offsetTop - find("events").clientHeight / 3;
}

/* ---- what people do ---- */

function seek(seconds) {
  player.currentTime = Math.min(Math.max(seconds, 0), page.duration);
}

function toggle() {
  if (!player.paused) player.pause();
  // A play that the browser refuses, or a pause interrupts, leaves the player paused: show that.
  else Promise.resolve(player.play()).catch(drawNow);
}

function timeAt(pointer) {
  const area = find("axis").getBoundingClientRect();
  return ((pointer.clientX - area.left) / area.width) * page.duration;
}

function followPointer() {
  const lanes = find("lanes");
  let dragging = false;
  lanes.addEventListener("pointerdown", (pointer) => {
    if (pointer.button !== 0 || timeAt(pointer) < 0 || pointer.target.closest("summary")) return;
    dragging = true;
    lanes.setPointerCapture(pointer.pointerId);
    seek(timeAt(pointer));
  });
  lanes.addEventListener("pointermove", (pointer) => {
    if (dragging) seek(timeAt(pointer));
    showTip(pointer);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    lanes.addEventListener(name, () => { dragging = false; });
  }
  lanes.addEventListener("pointerleave", () => { find("tip").hidden = true; });
}

function showTip(pointer) {
  const tip = find("tip");
  const time = timeAt(pointer);
  tip.hidden = time < 0 || time > page.duration;
  if (tip.hidden) return;
  const under = document.elementFromPoint(pointer.clientX, pointer.clientY);
  const lane = under?.closest(".track")?.lane;
  const event = under?.closest(".event")?.event;
  const cell = lane?.cells?.[Math.floor(time / page.secondsPerCell)];
  const lines = [event ? describe(event) : clock(time)];
  if (cell !== undefined) lines.push(`probability ${(cell / 255).toFixed(2)} at ${clock(time)}`);
  tip.textContent = lines.join("\n");
  const left = Math.min(pointer.clientX + 12, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(left, 8)}px`;
  tip.style.top = `${Math.max(pointer.clientY - tip.offsetHeight - 12, 8)}px`;
}

function followKeys(key) {
  const step = key.shiftKey ? 10 : 1;
  const actions = {
    " ": toggle,
    ArrowLeft: () => seek(player.currentTime - step),
    ArrowRight: () => seek(player.currentTime + step),
    Home: () => seek(0),
    End: () => seek(page.duration),
  };
  const hasOwnKeys = key.target.closest(key.key === " " ? "video, audio, button, summary" : "video, audio");
  if (!(key.key in actions) || hasOwnKeys || key.ctrlKey || key.altKey || key.metaKey) return;
  key.preventDefault();
  actions[key.key]();
}

function remark(text) {
  find("remarks").append(element("li", "", text));
}

function startPlayer() {
  const media = find("media");
  const main = document.querySelector("main");
  const isVideo = media?.tagName === "VIDEO";
  attach(media ?? new SilentClock());
  main.classList.toggle("side-by-side", isVideo && shown.length > 0);
  whenever(media, "loadedmetadata", media?.readyState > 0, () => {
    if (isVideo && !media.videoWidth) remark("This browser plays the sound of this file, but cannot show its pictures.");
  });
  whenever(media, "error", media?.error, () => {
    media.parentElement.hidden = true;
    main.classList.remove("side-by-side");
    remark("This browser cannot play the file; the lanes and their clock work without it.");
    attach(new SilentClock());
  });
}

/** Media starts to load before this script runs, so what is waited for may be over already. */
function whenever(media, name, isOver, act) {
  if (isOver) act();
  else media?.addEventListener(name, act, { once: true });
}

drawLanes();
drawEvents();
drawAxis();
drawStrips();
startPlayer();
followPointer();
find("axis").setAttribute("aria-valuemax", page.duration);
find("play").addEventListener("click", toggle);
document.addEventListener("keydown", followKeys);
window.addEventListener("resize", drawAxis);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawStrips);
