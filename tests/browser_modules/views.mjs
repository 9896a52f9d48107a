// Views as decodeView returns them, as far as a test needs.

import { Viewport } from "../../gru_viz/browser/inspector/viewport.js";

/** Every step has its column. */
export function exactView(more = {}) {
  const { first = 1, steps = 100 } = more;
  return {
    subject: "", first, steps, columns: steps, total: steps, zoom: null, single: 0, pixels: 0, exact: true, start: 0,
    edges: Array.from({ length: steps + 1 }, (_, i) => first - 1 + i), labels: null,
    units: [2, 0, 1], unit: 2, panels: [{ units: true, grouped: 1, trace: 0 }], curves: [],
    formulas: [{ units: { 0: {}, 1: {}, 2: {} } }], figure: { data: [{}], layout: {} }, ...more,
  };
}

/** Columns of many steps, of a sequence of a million. */
export function longView(from = 0, to = 1_000_000, columns = 1000, more = {}) {
  const width = (to - from) / columns;
  return exactView({
    subject: "long", first: from + 1, steps: to - from, columns, total: 1_000_000, single: 2000, pixels: 800, exact: false,
    edges: Array.from({ length: columns + 1 }, (_, i) => from + i * width), formulas: [], ...more,
  });
}

export function viewportOf(view, memory = { zoom: null, whole: null }, report = () => {}) {
  const viewport = new Viewport(memory, report);
  viewport.show(view);
  return viewport;
}
