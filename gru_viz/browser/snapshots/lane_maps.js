// The maps of one lane, each on a canvas of as many pixels as it has values; the browser stretches it.

import { el, write } from "../shared/dom.js";
import { colourWords, grouped, snapshotAt, valueText } from "./frames.js";

const LANE_HEIGHT = 560; // pixels that the maps of a lane share

export class LaneMaps {
  /**
   * @param {import("./frames.js").SnapshotLane} lane
   * @param {import("./frames.js").Snapshots} view
   * @param {function(string): void} describe is called with a text about the value under the pointer
   */
  constructor(lane, view, describe) {
    this.describe = describe;
    this.steps = view.steps;
    this.colours = Object.fromEntries(Object.entries(view.tables).map(([name, table]) => [name, colourWords(table)]));
    this.after = el("span", "gv-snapshots-after");
    const swatch = el("span", "");
    Object.assign(swatch.style, { width: "1.1rem", height: "0.6rem", background: lane.colour });
    const name = el("div", "gv-snapshots-lane-name", swatch, lane.name, this.after);
    const height = Math.round(Math.min(120, Math.max(40, LANE_HEIGHT / lane.maps.length - 26)));
    this.maps = lane.maps.map((map, k) => this.layOut(lane, map, k, height, view.tables[map.colours]));
    const last = (lane.columns - 1) * view.steps + 1;
    const text = view.steps > 1 ? `step of ${view.probe} (each column the mean of ${view.steps})` : `step of ${view.probe}`;
    const axis = el("div", "gv-snapshots-steps", el("span", "", "1"), el("span", "", text), el("span", "", grouped(last)));
    this.maps.at(-1).box.append(axis);
    this.column = el("section", "gv-snapshots-lane", name, ...this.maps.map(({ box }) => box));
  }

  layOut(lane, map, k, height, table) {
    const canvas = Object.assign(el("canvas", ""), { width: lane.columns, height: lane.units.length });
    canvas.style.height = `${height}px`;
    canvas.setAttribute("role", "img");
    const bar = el("i", "");
    const stop = (code) => `rgb(${table.subarray(3 * code, 3 * code + 3).join()})`;
    bar.style.background = `linear-gradient(to right, ${[0, 63, 127, 190, 254].map(stop).join()})`;
    const scale = el("span", "gv-snapshots-scale", map.lowMeans, bar, map.highMeans);
    const head = el("div", "gv-snapshots-head", el("b", "", map.title), el("span", "gv-snapshots-meaning", map.meaning), scale);
    const units = el("div", "gv-snapshots-units", el("span", "", lane.units[0]), el("span", "", "unit"), el("span", "", lane.units.at(-1)));
    if (height < 44) units.children[1].remove();
    canvas.addEventListener("pointermove", (event) => this.describeAt(event, k));
    canvas.addEventListener("pointerleave", () => this.describe(""));
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const box = el("div", "gv-snapshots-map", head, units, canvas);
    return { box, canvas, context, image, pixels: new Uint32Array(image.data.buffer) };
  }

  /**
   * Draw the newest snapshot that is not after an update.
   * @param {import("./frames.js").SnapshotLane} lane as it was laid out, perhaps with more snapshots
   * @param {number} update
   */
  show(lane, update) {
    this.lane = lane;
    this.snapshot = snapshotAt(lane.updates, update);
    const own = lane.updates[this.snapshot];
    write(this.after, own === update ? "" : `after ${grouped(own)}`);
    lane.maps.forEach((map, k) => {
      const { pixels, image, context, canvas } = this.maps[k];
      const colours = this.colours[map.colours];
      const from = this.snapshot * pixels.length;
      for (let i = 0; i < pixels.length; i++) pixels[i] = colours[map.codes[from + i]];
      context.putImageData(image, 0, 0);
      canvas.setAttribute("aria-label", `${map.title} of ${lane.name} after ${grouped(own)} updates`);
    });
  }

  /** After how many updates the snapshot was taken that is drawn. */
  get update() {
    return this.lane.updates[this.snapshot];
  }

  describeAt(event, k) {
    const { lane, snapshot } = this;
    const [map, box] = [lane.maps[k], this.maps[k].canvas.getBoundingClientRect()];
    const within = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const column = within((event.clientX - box.left) / box.width, lane.columns);
    const row = within((event.clientY - box.top) / box.height, lane.units.length);
    const code = map.codes[(snapshot * lane.units.length + row) * lane.columns + column];
    const step = grouped(column * this.steps + 1);
    this.describe(`${lane.name}, ${map.title}: unit ${lane.units[row]}, step ${step} is ${valueText(code, map)}`);
  }
}
