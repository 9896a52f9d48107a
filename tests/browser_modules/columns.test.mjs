import assert from "node:assert/strict";
import test from "node:test";
import { columnOf, hasStep, stepsText, tickLabels } from "../../gru_viz/browser/inspector/columns.js";

const edges = [10, 20, 30, 35];

test("a step's column is that of the last edge before it", () => {
  assert.deepEqual([10, 19, 20, 34, 99, 0].map((step) => columnOf(edges, step)), [0, 0, 1, 2, 2, 0]);
  const many = Array.from({ length: 1001 }, (_, i) => 3 * i);
  for (let step = 0; step < 3000; step += 7) assert.equal(columnOf(many, step), Math.floor(step / 3));
});

test("steps are counted from 1 where they are asked for", () => {
  assert.deepEqual([10, 11, 35, 36].map((step) => hasStep(edges, step)), [false, true, true, false]);
});

test("a column names its first and last step", () => {
  assert.equal(stepsText([1000, 1001], 0), "step 1,001");
  assert.equal(stepsText([1000, 2500], 0), "steps 1,001–2,500");
});

test("as many labels as fit are drawn", () => {
  const view = { edges: [0, 1, 2, 3, 4], labels: ["2020", "<b>", "a&b", "2023"] };
  assert.deepEqual(tickLabels(view, 0, 3, 1000), {
    "xaxis.tickmode": "array", "xaxis.tickvals": [1, 2, 3, 4], "xaxis.ticktext": ["2020", "&lt;b>", "a&amp;b", "2023"],
  });
  assert.deepEqual(tickLabels(view, 0, 3, 100)["xaxis.tickvals"], [1, 3]);
  assert.deepEqual(tickLabels(view, 2, 3, 100)["xaxis.tickvals"], [3, 4]);
});

test("of single characters all are drawn or none", () => {
  const view = { edges: [0, 1, 2, 3, 4], labels: [..."word"] };
  assert.deepEqual(tickLabels(view, 0, 3, 30)["xaxis.ticktext"], [..."word"]);
  assert.deepEqual(tickLabels(view, 0, 3, 29), { "xaxis.tickmode": "auto" });
});
