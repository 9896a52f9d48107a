// The gate inspector: heatmaps on one axis of steps, with a cursor that never leaves the browser.
//
// A view comes in as bytes (view.js). Python hears from it only when the cursor has come to rest, or when another part of
// a long sequence is in sight: the columns of that have many steps each, and finer ones come for the part in sight.

import { findParts } from "../shared/dom.js";
import { mountOnce } from "../shared/mount.js";
import { Chart } from "./chart.js";
import { columnOf, hasStep, stepsText } from "./columns.js";
import { Controls } from "./controls.js";
import { actionOfKey, cursorInView, hasFormulas, stepAfter } from "./cursor.js";
import { Formulas } from "./formulas.js";
import { Overlay } from "./overlay.js";
import { Player } from "./player.js";
import { countText } from "./texts.js";
import { decodeView } from "./view.js";
import { Viewport } from "./viewport.js";

const REST_MS = 350;
const REFINE_MS = 15; // how long after finer columns have come others are requested, where the user has moved on
const UNIT_MS = 60; // the same for a unit whose numbers are not here yet

// The cursor, the zoom and the whole of a long sequence outlive a component: the page may take it away and put it back,
// as it does when another page is visited.
const memory = (globalThis.gruVizInspector ??= { cursor: { step: null, unit: null }, zoom: null, whole: null });

/**
 * Data: a view, see decodeView. State: cursor {step, unit}, and range {from, to, total, width}.
 * @param {import("../shared/mount.js").Mounting} mounting
 */
export default function mount(mounting) {
  return mountOnce(mounting, (parent) => new Inspector(parent.querySelector(".gv-inspector")));
}

class Inspector {
  constructor(root) {
    this.root = root;
    this.cursor = memory.cursor;
    const names = ["maps", "plot", "cursor", "row-marks", "formulas", "status"];
    const controls = ["back", "forward", "play", "speed", "slider", "position", "all", "unit"];
    const parts = findParts(root, "gv-", [...names, ...controls]);
    this.status = parts.status;
    this.viewport = new Viewport(memory, (range) => this.report?.("range", range));
    this.overlay = new Overlay(parts.plot, parts.cursor, parts["row-marks"]);
    this.formulas = new Formulas(parts.formulas, () => this.zoomToSteps());
    this.controls = new Controls(parts, {
      step: (step) => this.moveTo(step),
      move: (steps) => this.moveBy(steps),
      unit: (unit) => this.chooseUnit(unit),
      all: () => this.chart.showAll(),
      play: () => this.togglePlay(),
    });
    this.player = new Player((steps) => this.advance(steps), (playing) => this.playChanged(playing));
    this.chart = new Chart(parts.maps, parts.plot, this.viewport, {
      range: (axis) => this.rangeChanged(axis),
      placed: () => this.place(),
      resized: () => this.viewport.long && this.request(REST_MS),
      click: (point) => this.clicked(point),
      all: () => this.chart.showAll(),
    });
    root.addEventListener("keydown", (event) => this.keyPressed(event));
  }

  dispose() {
    this.player.stop();
    clearTimeout(this.resting);
    this.viewport.cancelRequest();
    this.chart.dispose();
  }

  async show(bytes, { setStateValue }) {
    this.report = setStateValue ?? null;
    const view = decodeView(bytes);
    this.view = view;
    this.viewport.show(view);
    Object.assign(this.cursor, cursorInView(this.cursor, view, this.viewport));
    this.controls.showUnits(view.units, this.cursor.unit);
    this.layOutFormulas();
    this.showStep();
    if (this.picture !== view.picture) {
      try {
        await this.chart.draw();
      } catch (error) {
        this.status.textContent = error.message;
        this.status.hidden = false;
        return;
      }
      this.status.hidden = true;
      this.picture = view.picture;
    }
    this.place();
    this.root.dataset.ready = view.picture;
    this.request(REFINE_MS); // the user may have moved on while this was on its way
  }

  // --- what is in sight ---

  rangeChanged({ range, length }) {
    const moved = this.viewport.setAxisRange(range);
    this.controls.showRange(this.viewport, this.cursor.step);
    const columns = this.view.columns * (this.viewport.size / this.view.steps);
    this.root.classList.toggle("gv-dense", columns > length);
    if (moved) this.request(this.viewport.long ? 0 : REST_MS);
  }

  request(delay) {
    if (this.report) this.viewport.request(delay, this.chart.axisLength);
  }

  zoomToSteps() {
    this.chart.setRange(this.viewport.zoomedToColumn(this.cursor.step));
  }

  place() {
    this.overlay.place(this.view, this.cursor);
  }

  // --- the cursor ---

  keyPressed(event) {
    if (this.controls.usesKeys(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.key === " " || event.key === "Enter") && event.target.tagName === "BUTTON") return;
    const { viewport } = this;
    const range = viewport.long ? viewport.range : [viewport.first, viewport.last];
    const action = actionOfKey(event.key, this.view, this.cursor, range);
    if (!action) return;
    event.preventDefault();
    if ("step" in action) this.moveTo(action.step);
    if ("unit" in action) this.chooseUnit(action.unit);
    if (action.zoom) this.chart.setRange(viewport.zoomedTo(viewport.size * action.zoom, this.cursor.step));
    if (action.all) this.chart.showAll();
    if (action.single) this.zoomToSteps();
    if (action.play) this.togglePlay();
  }

  clicked(point) {
    if (!point) return;
    const panel = this.view.panels.find((each) => each.trace === point.curveNumber);
    const [row, column] = panel ? (point.pointIndex ?? point.pointNumber) : [0, point.pointNumber];
    this.moveTo(this.view.edges[column] + 1);
    if (panel?.units) this.chooseUnit(this.view.units[row * panel.grouped]);
  }

  moveBy(steps) {
    this.moveTo(stepAfter(this.view, this.cursor.step, steps));
  }

  moveTo(step) {
    const within = Math.min(Math.max(step, this.viewport.first), this.viewport.last);
    if (within === this.cursor.step) return;
    this.cursor.step = within;
    const range = this.viewport.following(within);
    if (range) this.chart.setRange(range);
    this.showStep();
    this.overlay.placeLine(this.view, within);
    this.reportAtRest();
  }

  chooseUnit(unit) {
    if (unit === undefined || unit === this.cursor.unit) return;
    this.cursor.unit = unit;
    this.controls.showUnit(unit);
    this.overlay.placeRowMarks(this.view, unit);
    if (hasFormulas(this.view, unit)) {
      this.layOutFormulas();
      this.showStep();
      this.reportAtRest();
    } else {
      this.formulas.wait();
      this.reportAtRest(UNIT_MS);
    }
  }

  layOutFormulas() {
    this.formulas.layOut(this.view, this.cursor.unit, Boolean(this.report));
  }

  /** Everything that follows the cursor but its line. */
  showStep() {
    const { view } = this;
    const { step } = this.cursor;
    const column = hasStep(view.edges, step) ? columnOf(view.edges, step - 1) : -1;
    const label = view.labels?.[column];
    const where = view.exact || column < 0 ? `step ${countText(step)}` : stepsText(view.edges, column);
    this.controls.showStep(step, `${where} of ${countText(view.total)}${label === undefined ? "" : ` · ${label}`}`);
    this.root.dataset.step = step;
    this.formulas.show(column);
  }

  reportAtRest(delay = REST_MS) {
    clearTimeout(this.resting);
    if (this.player.playing || !this.report) return;
    this.resting = setTimeout(() => this.report("cursor", { ...this.cursor }), delay);
  }

  // --- play ---

  togglePlay() {
    if (this.player.playing) return this.player.stop();
    if (this.cursor.step >= this.viewport.last) this.moveTo(this.viewport.first);
    return this.player.start(() => this.controls.speed);
  }

  /** @returns {boolean} whether the end is reached */
  advance(steps) {
    if (steps) this.moveBy(steps);
    return this.cursor.step >= this.viewport.last;
  }

  playChanged(playing) {
    this.controls.showPlaying(playing);
    if (!playing) this.reportAtRest();
  }
}
