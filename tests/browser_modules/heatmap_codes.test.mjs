import assert from "node:assert/strict";
import test from "node:test";
import { codeAt, decodePanel, lazyRows, NAN_CODE, outlineOf, unpackHeatmap } from "../../gru_viz/browser/inspector/heatmap_codes.js";

test("two codes are read from three bytes", () => {
  const bytes = Uint8Array.of(0xab, 0xcd, 0xef, 0x12, 0x30, 0x00);
  assert.deepEqual([0, 1, 2].map((i) => codeAt(bytes, i)), [0xabc, 0xdef, 0x123]);
});

test("codes lie evenly between low and high, and the last one is no number", () => {
  const arrays = Uint8Array.of(99, 0x00, 0x0f, 0xfe, 0xff, 0xf0, 0x00); // 0, 4094, 4095
  const panel = decodePanel({ offset: 1, rows: 1, columns: 3, low: -2, high: 2, extremes: null }, arrays);
  assert.equal(NAN_CODE, 4095);
  assert.deepEqual([0, 1, 2].map((column) => panel.valueAt(0, column)), [-2, 2, NaN]);
  assert.deepEqual(unpackHeatmap(panel).map((row) => [...row]), [[-2, 2, NaN]]);
  assert.equal(panel.extremesAt(0, 0), null);
});

test("columns of many steps have their lowest and highest value", () => {
  const arrays = Uint8Array.of(0x7f, 0xf0, 0x00, 0x00, 0x00, 0x00, 0xff, 0xe0, 0x00);
  const panel = decodePanel({ offset: 0, rows: 1, columns: 1, low: 0, high: 4094, extremes: [3, 6] }, arrays);
  assert.equal(panel.valueAt(0, 0), 2047);
  assert.deepEqual(panel.extremesAt(0, 0), [0, 4094]);
});

test("plotly is given the number of rows and columns", () => {
  assert.deepEqual(outlineOf({ rows: 3, columns: 4 }).map((row) => row.length), [4, 0, 0]);
});

test("a lazy element is made when it is read", () => {
  const read = [];
  const rows = lazyRows((row, column) => read.push([row, column]) && `${row}.${column}`);
  assert.equal(rows[2][5], "2.5");
  assert.deepEqual(read, [[2, 5]]);
  assert.equal(rows.length, 0);
});
