import assert from "node:assert/strict";
import test from "node:test";
import { composeTraces } from "../../gru_viz/browser/inspector/traces.js";
import { exactView, longView } from "./views.mjs";

const HOVER = "%{fullData.name}: <b>%{z:.2f}</b><br>unit %{y}<extra></extra>";

function drawn(view, grouped, rows, range = () => [-1, 1]) {
  const panel = { units: true, grouped, trace: 0, rows, columns: view.columns, extremesAt: range, valueAt: (row) => row };
  const data = [
    { type: "heatmap", hovertemplate: HOVER, y: ["1", "2", "3", "4"], yaxis: "y2", map: panel },
    { type: "scatter", hovertemplate: "x: <b>1</b><br>step<extra></extra>", y: [0] },
  ];
  return { ...view, panels: [panel], curves: [{ trace: 1 }], figure: { data, layout: {} } };
}

test("a view of single steps is drawn as it is described", () => {
  const view = drawn(exactView(), 1, 4);
  const traces = composeTraces(view, null, "");
  assert.deepEqual(traces, view.figure.data);
  assert.notEqual(traces[0], view.figure.data[0], "plotly may write to its own copies");
});

test("the hover of a column of many steps shows their lowest and highest value, and which they are", () => {
  const view = drawn(longView(0, 4000, 4, { labels: ["Mon", "Tue", "<b>", "Thu"] }), 2, 2);
  const [map, line] = composeTraces(view, null, "");
  assert.equal(map.hovertemplate, "%{fullData.name}: <b>%{z:.2f}</b>%{customdata}<extra></extra>");
  assert.equal(map.customdata[1][2], ", of −1.00 … 1.00<br>units 2, steps 2,001–3,000");
  assert.equal(line.text[2], "steps 2,001–3,000 · &lt;b>");
  const short = drawn(longView(0, 4, 4), 1, 4, () => null);
  assert.equal(composeTraces(short, null, "")[0].customdata[0][0], "<br>unit 1, step 1");
});

test("the whole is drawn below a part or above it, its rows as often as they stand for the part's", () => {
  const whole = drawn(longView(0, 1_000_000, 10), 4, 1);
  const part = drawn(longView(0, 1000, 10), 2, 2);
  const [, , map, line] = composeTraces(part, whole, "below");
  assert.deepEqual([map.zorder, line.zorder, map.hoverinfo, line.text], [-1, -1, "skip", null]);
  assert.deepEqual([map.z.length, map.map.rows, map.map.rowAt(0), map.map.rowAt(1), map.yaxis], [2, 2, 0, 0, "y2"]);
  assert.equal(composeTraces(part, whole, "above")[2].zorder, 1);
  const alike = drawn(longView(0, 1000, 10), 4, 1);
  assert.equal(composeTraces(alike, whole, "above")[2].map, whole.panels[0]);
});
