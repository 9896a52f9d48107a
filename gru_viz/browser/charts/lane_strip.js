// The strip above the charts: how far each lane is, in columns that do not move while a training runs.

import { el, write } from "../shared/dom.js";

const MEASURE = 5; // the column of the task's own measure, which is left out where it has no name
const CLASSES = ["gv-lane", "gv-progress", "gv-lesser", "", "", "", "gv-lesser"];
const SYMBOLS = {
  circle: "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0Z",
  square: "M-4,-4H4V4H-4Z",
  diamond: "M0,-5.5L5.5,0L0,5.5L-5.5,0Z",
  "triangle-up": "M0,-5.5L5.5,4H-5.5Z",
  "triangle-down": "M0,5.5L5.5,-4H-5.5Z",
  star: "M0,-6L1.5,-2H6L2.4,0.8L3.7,5L0,2.4L-3.7,5L-2.4,0.8L-6,-2H-1.5Z",
};

/**
 * A lane's line, as the texts that stand in it.
 * @typedef {{name: string, detail: string, colour: string, dash: string, symbol: string, update: number,
 *   planned: number, progress: string, cells: string[], message: string}} Lane
 */

export class LaneStrip {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.table = root.querySelector("table");
    this.rows = [];
  }

  /**
   * @param {Lane[]} lanes
   * @param {string[]} columns their headings
   */
  show(lanes, columns) {
    this.root.hidden = !lanes.length;
    const wanted = JSON.stringify([columns, lanes.map(({ name, colour }) => [name, colour])]);
    if (wanted !== this.laidOut) this.layOut(lanes, columns);
    this.laidOut = wanted;
    lanes.forEach((lane, i) => {
      const row = this.rows[i];
      write(row.detail, lane.detail);
      row.detail.title = lane.detail;
      const share = lane.planned ? Math.min(1, lane.update / lane.planned) : 0;
      row.fill.style.transform = `scaleX(${share})`;
      row.bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
      write(row.progress, lane.progress);
      lane.cells.forEach((text, k) => write(row.cells[k], text));
      write(row.message, lane.message);
      row.line.hidden = !lane.message;
    });
  }

  layOut(lanes, columns) {
    const visible = columns.map((title, k) => k !== MEASURE || title);
    const heads = columns.map((title, k) => Object.assign(el("th", CLASSES[k] ?? "", title), { scope: "col" }));
    const head = el("thead", "", el("tr", "", ...heads.filter((_, k) => visible[k])));
    this.rows = lanes.map((lane) => layOutLane(lane, heads.length));
    const body = el("tbody", "");
    lanes.forEach((lane, i) => {
      const row = this.rows[i];
      const label = el("div", "gv-lane-name", swatch(lane), lane.name);
      const name = Object.assign(el("th", "gv-lane", el("div", "", label, row.detail)), { scope: "row" });
      const progress = el("td", "gv-progress", el("div", "", row.bar, row.progress));
      body.append(el("tr", "gv-row", name, progress, ...row.cells.filter((_, k) => visible[k + 2])), row.line);
    });
    this.table.replaceChildren(head, body);
  }
}

/** The elements of a lane's line that change. */
function layOutLane(lane, columns) {
  const fill = el("div", "");
  fill.style.background = lane.colour;
  const bar = el("div", "gv-bar", fill);
  const about = { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": `Progress of ${lane.name}` };
  for (const [key, value] of Object.entries(about)) bar.setAttribute(key, value);
  const message = Object.assign(el("td", "gv-message"), { colSpan: columns });
  const cells = lane.cells.map((_, k) => el("td", CLASSES[k + 2]));
  const [detail, progress] = [el("div", "gv-lane-detail"), el("div", "gv-progress-words")];
  return { detail, fill, bar, progress, cells, message, line: el("tr", "", message) };
}

/** A piece of a lane's line with its symbol, as the charts draw it. */
function swatch({ colour, dash, symbol }) {
  const make = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const dashes = dash === "solid" ? "" : dash.replace(/px/g, "");
  const svg = make("svg", { width: 36, height: 14, viewBox: "-18 -7 36 14", "aria-hidden": "true" });
  svg.append(
    make("line", { x1: -18, x2: 18, y1: 0, y2: 0, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dashes }),
    make("path", { d: SYMBOLS[symbol], fill: colour }),
  );
  return svg;
}
