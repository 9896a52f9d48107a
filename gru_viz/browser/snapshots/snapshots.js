// The gates while they learn: every map of every snapshot is here already, so that the slider needs no server.

import { el, findParts, write } from "../shared/dom.js";
import { mountOnce } from "../shared/mount.js";
import { decodeSnapshots, grouped, marksFor, snapshotAt } from "./frames.js";
import { LaneMaps } from "./lane_maps.js";

const REST_MS = 350;
const FRAMES_PER_SECOND = 4;

// Where the slider is outlives a component: the page may take it away and put it back.
const memory = (globalThis.gruVizSnapshots ??= { update: 0, following: true });

/**
 * Data: snapshots, see decodeSnapshots. State: frame {updates: {lane: update}}, once the slider rests.
 * @param {import("../shared/mount.js").Mounting} mounting
 */
export default function mount(mounting) {
  return mountOnce(mounting, (parent) => new SnapshotPlayer(parent.querySelector(".gv-snapshots")));
}

class SnapshotPlayer {
  constructor(root) {
    this.root = root;
    Object.assign(this, findParts(root, "gv-snapshots-", ["slider", "marks", "place", "play", "lanes", "reading"]));
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.play.addEventListener("click", () => this.togglePlay());
    root.addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target.tagName === "BUTTON") return;
      event.preventDefault();
      this.togglePlay();
    });
    this.resizing = new ResizeObserver(() => this.view && this.mark());
    this.resizing.observe(this.marks);
  }

  dispose() {
    clearInterval(this.playing);
    clearTimeout(this.resting);
    this.resizing.disconnect();
  }

  show(bytes, { setStateValue }) {
    this.report = setStateValue;
    const view = decodeSnapshots(bytes);
    if (this.view?.digest === view.digest) return;
    this.view = view;
    // At the end the slider follows what is new; anywhere else it stays where it was put.
    const frame = memory.following ? view.updates.length - 1 : snapshotAt(view.updates, memory.update);
    this.slider.max = view.updates.length - 1;
    const shape = JSON.stringify(view.lanes.map((lane) => [lane.name, lane.units, lane.columns, lane.maps.map((m) => [m.title, m.low])]));
    if (shape !== this.shape) this.layOut();
    this.shape = shape;
    this.mark();
    this.go(frame, false);
    this.root.dataset.ready = view.digest;
  }

  layOut() {
    const { lanes } = this.view;
    this.lanes.style.setProperty("--lanes", lanes.length);
    this.columns = lanes.map((lane) => new LaneMaps(lane, this.view, (text) => write(this.reading, text)));
    this.lanes.replaceChildren(...this.columns.map(({ column }) => column));
  }

  mark() {
    const { updates } = this.view;
    this.marks.replaceChildren(...marksFor(updates, this.marks.clientWidth || 600).map(({ place, x }) => {
      const mark = el("span", "", grouped(updates[place]));
      mark.style.left = `${x}px`;
      return mark;
    }));
  }

  go(frame, byHand = true) {
    const last = this.view.updates.length - 1;
    this.frame = Math.min(Math.max(frame, 0), last);
    const update = this.view.updates[this.frame];
    this.slider.value = this.frame;
    Object.assign(memory, { update, following: byHand ? this.frame === last : memory.following });
    const text = `after ${grouped(update)} update${update === 1 ? "" : "s"}`;
    this.slider.setAttribute("aria-valuetext", text);
    write(this.place, text);
    this.view.lanes.forEach((lane, i) => this.columns[i].show(lane, update));
    this.root.dataset.update = update;
    if (byHand) this.reportAtRest();
  }

  reportAtRest() {
    clearTimeout(this.resting);
    if (this.playing) return;
    this.resting = setTimeout(() => {
      const updates = Object.fromEntries(this.columns.map(({ lane, update }) => [lane.name, update]));
      this.report?.("frame", { updates });
    }, REST_MS);
  }

  togglePlay() {
    if (this.playing) return this.stopPlay();
    const last = this.view.updates.length - 1;
    if (this.frame >= last) this.go(0);
    this.playing = setInterval(() => {
      this.go(this.frame + 1);
      if (this.frame >= this.view.updates.length - 1) this.stopPlay();
    }, 1000 / FRAMES_PER_SECOND);
    return this.labelPlay();
  }

  stopPlay() {
    clearInterval(this.playing);
    this.playing = null;
    this.labelPlay();
    this.reportAtRest();
  }

  labelPlay() {
    write(this.play, this.playing ? "❚❚ Pause" : "► Play");
    this.play.setAttribute("aria-pressed", String(Boolean(this.playing)));
  }
}
