// Plotly's part of the inspector: heatmaps and lines on one axis of steps.

import { purgePlot } from "../shared/plotly.js";
import { drawnLayout, horizontalAxis } from "../shared/plotly_internals.js";
import { tickLabels } from "./columns.js";
import { unpackHeatmap } from "./heatmap_codes.js";
import { loadPaintingPlotly } from "./painting.js";
import { makePreview } from "./preview.js";
import { composeTraces } from "./traces.js";

// Pixels of width from which colours carry the meaning of their ends, and titles theirs.
const WIDTHS = [560, 900];
const widthClass = (width) => WIDTHS.filter((least) => width >= least).length;

const nextPicture = () => new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));

const FONTS = ["16px", "bold 16px", "italic 16px"].map((font) => `${font} "Source Sans"`);
const FONTS_MS = 3000;

// Plotly places a title by its width, which is another one as long as its font is not there.
const loadFonts = () =>
  Promise.race([
    Promise.allSettled(FONTS.map((font) => document.fonts.load(font))),
    new Promise((given) => setTimeout(given, FONTS_MS)),
  ]);

export class Chart {
  /**
   * @param {HTMLElement} maps the box of the plot, whose width it takes
   * @param {HTMLElement} plot
   * @param {import("./viewport.js").Viewport} viewport
   * @param {object} on range(axis) after each change of what is in sight, placed() when it is drawn, click(point), all()
   */
  constructor(maps, plot, viewport, on) {
    Object.assign(this, { maps, plot, viewport, on });
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(maps);
  }

  dispose() {
    this.resizing.disconnect();
    if (window.Plotly) purgePlot(this.plot);
  }

  /** The axis' length in pixels; 0 before the first drawing. */
  get axisLength() {
    return horizontalAxis(this.plot)?.length ?? 0;
  }

  /** Draw the viewport's view; until plotly is there, its maps alone. */
  async draw() {
    if (this.Plotly) return this.drawPlot(); // begins at once
    const layout = this.layout(null);
    const preview = makePreview(this.viewport.view, layout);
    this.maps.style.minHeight = `${layout.height}px`;
    this.maps.append(preview);
    const fonts = loadFonts();
    await nextPicture(); // else the browser would load plotly first
    try {
      this.Plotly = await loadPaintingPlotly();
      await fonts;
      await this.drawPlot();
    } finally {
      preview.remove();
      this.maps.style.minHeight = "";
    }
  }

  async drawPlot() {
    const { Plotly } = this;
    const { view, whole } = this.viewport;
    this.backdrop = this.viewport.backdrop(this.maps.clientWidth);
    const first = !this.plot.data;
    const ticks = first ? null : this.ticks();
    const traces = composeTraces(view, whole, this.backdrop);
    // Given its settings again, plotly would take its buttons for new ones, and draw everything twice.
    await Plotly.react(this.plot, traces, this.layout(ticks), first ? this.settings(Plotly) : undefined);
    this.tickedRange = ticks ? horizontalAxis(this.plot).range.join() : null;
    this.rangeChanged();
    if (first) {
      this.plot.on("plotly_relayout", () => this.rangeChanged());
      this.plot.on("plotly_doubleclick", () => this.on.all());
      this.plot.on("plotly_click", ({ points }) => this.on.click(points[0]));
    }
  }

  layout(ticks) {
    const { view, first, last } = this.viewport;
    const layout = structuredClone(view.figure.layout);
    this.widthClass = widthClass(this.maps.clientWidth);
    if (this.widthClass < 2) for (const note of layout.annotations) note.text = note.text.replace(/<i>.*<\/i>/, "");
    if (this.widthClass < 1) {
      for (const note of layout.annotations.filter(({ name }) => name === "legend"))
        note.text = note.text.replace(/^(\S+)[^<]*/, "$1 ").replace(/> (\S+).*$/, "> $1");
      Object.assign(layout.legend, { x: 1, xanchor: "right" });
    }
    Object.assign(layout, {
      height: this.heightFor(layout.height),
      width: this.maps.clientWidth,
      uirevision: view.total,
      dragmode: drawnLayout(this.plot)?.dragmode ?? layout.dragmode,
    });
    // Plotly's own memory of a zoom does not apply to an axis that is given a range.
    const range = this.viewport.axisRange;
    Object.assign(layout.xaxis, { range, minallowed: first - 0.5, maxallowed: last + 0.5 });
    for (const [key, value] of Object.entries(ticks ?? {})) layout.xaxis[key.replace("xaxis.", "")] = value;
    return layout;
  }

  settings(Plotly) {
    const save = (format, icon) => ({
      name: `Save as ${format.toUpperCase()}`,
      icon,
      click: () => this.saveImage(Plotly, format),
    });
    return {
      displaylogo: false,
      responsive: false,
      displayModeBar: true,
      showTips: false,
      doubleClick: false, // ours: plotly would go back to the range of the first sequence it drew
      modeBarButtons: [
        [save("png", Plotly.Icons.camera), save("svg", Plotly.Icons.disk)],
        ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d"],
        [{ name: "Show all steps", icon: Plotly.Icons.home, click: () => this.on.all() }],
      ],
    };
  }

  /** Taller where the screen has space, so that the instrument fills a projector; never shorter than described. */
  heightFor(base) {
    const free = window.innerHeight - this.maps.getBoundingClientRect().top - window.scrollY - 250;
    return Math.round(Math.min(Math.max(base, free), 1.5 * base));
  }

  /** Show a range of the axis. */
  setRange(range, more = {}) {
    window.Plotly.relayout(this.plot, { "xaxis.range": range, ...more });
  }

  /** Show all steps and all rows. */
  showAll() {
    const { layout } = this.viewport.view.figure;
    const rows = Object.keys(layout).filter((key) => layout[key]?.autorange === "reversed");
    const full = Object.fromEntries(rows.map((key) => [`${key}.autorange`, "reversed"]));
    this.setRange(this.viewport.fullAxisRange, full);
  }

  saveImage(Plotly, format) {
    const { width, height } = drawnLayout(this.plot);
    const { layout: own } = this.plot;
    // A picture cannot carry the page's web font along; its texts fit their places only in a font that is everywhere.
    const font = { ...own.font, family: "Arial, 'DejaVu Sans', sans-serif", color: "#1b1f24" };
    const layout = { ...own, font, paper_bgcolor: "#ffffff" };
    const data = this.plot.data.map(({ map, ...trace }) => (map ? { ...trace, z: unpackHeatmap(map) } : trace));
    Plotly.downloadImage({ data, layout }, { format, width, height, scale: 2, filename: this.viewport.view.filename });
  }

  resize() {
    const width = this.maps.clientWidth;
    if (!this.plot.data || !width || width === drawnLayout(this.plot).width) return;
    if (this.widthClass === widthClass(width)) window.Plotly.relayout(this.plot, { width });
    else this.redraw();
    this.on.resized();
  }

  redraw() {
    this.draw().then(() => this.on.placed());
  }

  // Labels are thinned out to what fits the range in sight.
  rangeChanged() {
    const axis = horizontalAxis(this.plot);
    const range = axis.range.join();
    this.on.range(axis);
    if (this.backdrop !== this.viewport.backdrop(this.maps.clientWidth)) return this.redraw();
    const ticks = range === this.tickedRange ? null : this.ticks();
    this.tickedRange = range;
    if (ticks) window.Plotly.relayout(this.plot, ticks);
    return this.on.placed();
  }

  ticks() {
    const labelled = this.backdrop === "above" ? this.viewport.whole : this.viewport.view;
    const [from, to] = this.viewport.range;
    return labelled.labels ? tickLabels(labelled, from - 1, to - 1, this.axisLength) : null;
  }
}
