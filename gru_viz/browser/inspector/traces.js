// What plotly draws: the view's own traces, and those of the whole sequence where the view does not reach.

import { stepsText } from "./columns.js";
import { lazyRows, outlineOf } from "./heatmap_codes.js";
import { escapeMarkup, shortText } from "./texts.js";

/**
 * @param {import("./view.js").View} view
 * @param {?import("./view.js").View} whole the view of the whole sequence
 * @param {""|"above"|"below"} backdrop where the whole is drawn; see Viewport.backdrop
 * @returns {object[]} plotly's traces
 */
export function composeTraces(view, whole, backdrop) {
  const traces = view.figure.data.map((trace) => ({ ...trace }));
  if (!view.exact) describeColumns(view, traces);
  return backdrop ? [...traces, ...backdropTraces(view, whole, backdrop === "above")] : traces;
}

/** What the hover shows where a column has many steps. */
function describeColumns(view, traces) {
  for (const panel of view.panels) {
    const trace = traces[panel.trace];
    trace.customdata = lazyRows((row, column) => cellText(view, panel, row, column));
    trace.hovertemplate = trace.hovertemplate.replace(/<\/b>.*<extra>/, "</b>%{customdata}<extra>");
  }
  const texts = view.edges.slice(1).map((_, i) => {
    const label = view.labels?.[i];
    return stepsText(view.edges, i) + (label === undefined ? "" : ` · ${escapeMarkup(label)}`);
  });
  for (const { trace } of view.curves) {
    traces[trace].text = texts;
    traces[trace].hovertemplate = traces[trace].hovertemplate?.replace(/<br>.*<extra>/, "<br>%{text}<extra>");
  }
}

/** Beside the number of a cell: its lowest and highest value, whose it is, and which steps. */
function cellText(view, panel, row, column) {
  const range = panel.extremesAt(row, column);
  const { y } = view.figure.data[panel.trace];
  const kind = panel.units ? (panel.grouped > 1 ? "units" : "unit") : "row";
  const between = range ? `, of ${shortText(range[0])} … ${shortText(range[1])}` : "";
  return `${between}<br>${kind} ${y[row]}, ${stepsText(view.edges, column)}`;
}

// Coarser than the view's own traces, but there wherever one pans to. Where rows of the whole stand for more units than
// the view's, they are repeated.
function backdropTraces(view, whole, onTop) {
  const shared = { hoverinfo: "skip", hovertemplate: null, showlegend: false, zorder: onTop ? 1 : -1 };
  const maps = view.panels.flatMap((panel, index) => {
    const coarse = whole.panels[index];
    if (!coarse) return [];
    const rowAt = (row) => Math.floor((row * panel.grouped) / coarse.grouped);
    const valueAt = (row, column) => coarse.valueAt(rowAt(row), column);
    const map = panel.grouped === coarse.grouped ? coarse : { ...coarse, rows: panel.rows, rowAt, valueAt };
    const { y, yaxis } = view.figure.data[panel.trace];
    return [{ ...whole.figure.data[coarse.trace], ...shared, map, z: outlineOf(map), y, yaxis }];
  });
  const lines = whole.curves.map(({ trace }) => ({ ...whole.figure.data[trace], ...shared, text: null }));
  return [...maps, ...lines];
}
