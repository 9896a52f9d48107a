// Plotly charts that are changed in place. What was drawn from the same numbers is left alone; a zoom belongs to the
// user; while a pointer is down nothing is redrawn.

import { el, write } from "../shared/dom.js";
import { withArrays } from "../shared/payload.js";
import { purgePlot } from "../shared/plotly.js";
import { pointerLayer, subplotOf } from "../shared/plotly_internals.js";
import { tinted } from "./tints.js";

const CONFIG = { displayModeBar: false, responsive: false, doubleClick: "autosize" };

/**
 * A chart's description; `drawn` changes exactly with what is drawn.
 * @typedef {{key: string, title: string, caption: string, summary: string, data: object[], layout: object,
 *   height: number, wide: boolean, drawn: string}} Figure
 * @typedef {{figures: Figure[], ink: string, paper: string, arrays: Uint8Array}} Figures
 */

export class ChartGrid {
  /**
   * @param {HTMLElement} root whose colours the charts take
   * @param {HTMLElement} grid
   * @param {function(any): void} pick is called with what a click on a chart has picked
   */
  constructor(root, grid, pick) {
    Object.assign(this, { root, grid, pick });
    this.charts = new Map();
    this.resizing = new ResizeObserver((entries) => this.resized(entries));
    root.addEventListener("transitionend", (event) => event.target === root && this.repaint());
    this.release = () => this.released();
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, this.release);
  }

  dispose() {
    this.resizing.disconnect();
    for (const name of ["pointerup", "pointercancel"]) window.removeEventListener(name, this.release);
    this.disposed = true;
    for (const { plot, drawing } of this.charts.values()) purgePlot(plot, drawing);
  }

  /**
   * Draw figures that are in their places; plotly is loaded.
   * @param {Figures} view
   */
  async show(view) {
    this.view = view;
    if (!this.pressed) await this.drawAll(); // else when the pointer is up again
  }

  /**
   * Put a box for each figure in its place, with its texts.
   * @param {Figure[]} figures
   */
  place(figures) {
    for (const [key, chart] of this.charts) {
      if (figures.some((figure) => figure.key === key)) continue;
      this.resizing.unobserve(chart.plot);
      purgePlot(chart.plot, chart.drawing);
      chart.box.remove();
      this.charts.delete(key);
    }
    figures.forEach((figure, i) => {
      const chart = this.charts.get(figure.key) ?? this.makeChart(figure.key);
      chart.box.classList.toggle("gv-wide", figure.wide);
      chart.plot.style.minHeight = `${figure.height}px`;
      write(chart.title, figure.title);
      write(chart.caption, figure.caption);
      if (chart.plot.getAttribute("aria-label") !== figure.summary) chart.plot.setAttribute("aria-label", figure.summary);
      if (this.grid.children[i] !== chart.box) this.grid.insertBefore(chart.box, this.grid.children[i] ?? null);
    });
  }

  makeChart(key) {
    const title = el("h2", "gv-figure-title");
    const caption = el("p", "gv-caption");
    const plot = el("div", "gv-chart");
    plot.setAttribute("role", "img");
    const box = el("section", "gv-figure", title, caption, plot);
    box.dataset.figure = key;
    plot.addEventListener("pointerdown", () => (this.pressed = true));
    this.charts.set(key, { box, title, caption, plot });
    this.resizing.observe(plot);
    return this.charts.get(key);
  }

  async drawAll() {
    for (const figure of this.view.figures) {
      const chart = this.charts.get(figure.key); // it may have gone while another was drawn
      if (chart) await this.draw(chart, figure);
    }
    this.root.dataset.drawn = this.view.figures.map(({ drawn }) => drawn).join(" ");
  }

  async draw(chart, figure) {
    const width = chart.plot.clientWidth;
    if (this.disposed || !width || (chart.drawn === figure.drawn && chart.width === width && !chart.stale)) return;
    if (!figure.data.length) return clear(chart); // axes without a line would show numbers that mean nothing
    const first = !chart.drawn;
    Object.assign(chart, { drawn: figure.drawn, width, stale: false });
    const style = getComputedStyle(this.root);
    const paper = style.getPropertyValue("--st-background-color").trim() || this.view.paper;
    const tints = { [this.view.ink]: style.color, [this.view.paper]: paper };
    const data = tinted(withArrays(figure.data, this.view.arrays), tints);
    const layout = tinted(structuredClone(figure.layout), tints);
    Object.assign(layout, { width, height: figure.height });
    const drawn = window.Plotly.react(chart.plot, data, layout, CONFIG);
    chart.drawing = Promise.allSettled([chart.drawing, drawn]);
    await drawn;
    if (this.disposed) return;
    chart.box.classList.toggle("gv-pick", data.some((trace) => trace.customdata));
    if (first) this.listen(chart);
    else if (chart.pointer) window.Plotly.Fx.hover(chart.plot, chart.pointer.at, chart.pointer.subplot);
  }

  listen(chart) {
    const { plot } = chart;
    plot.on("plotly_hover", ({ event, points }) => {
      if (event?.clientX === undefined || !pointerLayer(plot)) return;
      const { clientX, clientY, target } = event;
      chart.pointer = { at: { clientX, clientY, target }, subplot: subplotOf(points[0]) };
    });
    plot.addEventListener("mouseleave", () => (chart.pointer = null));
    plot.on("plotly_click", ({ points }) => {
      const picked = points.map(({ customdata }) => customdata).find((each) => each !== undefined && each !== null);
      if (picked !== undefined) this.pick(picked);
    });
  }

  released() {
    if (!this.pressed) return;
    this.pressed = false;
    setTimeout(() => this.view && !this.pressed && this.drawAll(), 0);
  }

  resized(entries) {
    if (!this.view || this.pressed) return;
    if (entries.some(({ target }) => target.clientWidth)) this.drawAll();
  }

  // The theme has changed: what is drawn in the colour of the text is drawn again.
  repaint() {
    for (const chart of this.charts.values()) chart.stale = true;
    if (this.view) this.drawAll();
  }
}

/** Take a plot out, whose lines are gone. */
function clear(chart) {
  if (chart.drawn) window.Plotly.purge(chart.plot);
  Object.assign(chart, { drawn: undefined, pointer: null });
}
