import assert from "node:assert/strict";
import test from "node:test";
import { actionOfKey, cursorInView, hasFormulas, stepAfter, unitBelow } from "../../gru_viz/browser/inspector/cursor.js";
import { exactView, longView, viewportOf } from "./views.mjs";

const placed = (cursor, view, memory) => cursorInView(cursor, view, viewportOf(view, memory));

test("a new cursor is where the view begins, or a third on", () => {
  assert.deepEqual(placed({ step: null, unit: null }, exactView({ start: 7 })), { step: 7, unit: 2 });
  assert.deepEqual(placed({ step: null, unit: null }, exactView()), { step: 34, unit: 2 });
});

test("a cursor stays where it was, as far as the view reaches", () => {
  assert.deepEqual(placed({ step: 60, unit: 1 }, exactView()), { step: 60, unit: 1 });
  assert.deepEqual(placed({ step: 60, unit: 1 }, exactView({ steps: 50 })), { step: 50, unit: 1 });
  assert.deepEqual(placed({ step: 60, unit: 9 }, exactView({ unit: 9 })), { step: 60, unit: 2 });
});

test("a unit whose formulas are not here gives way", () => {
  const view = exactView({ formulas: [{ units: { 0: {} } }], unit: 0 });
  assert.ok(!hasFormulas(view, 1));
  assert.equal(placed({ step: 1, unit: 1 }, view).unit, 0);
});

test("in a long sequence it comes into sight", () => {
  const memory = { zoom: { total: 1_000_000, range: [1000.5, 2000.5] }, whole: null };
  assert.equal(placed({ step: 5, unit: 0 }, longView(), memory).step, 1501);
  assert.equal(placed({ step: 1700, unit: 0 }, longView(), memory).step, 1700);
});

test("it moves by steps, or by columns where they have many", () => {
  assert.equal(stepAfter(exactView(), 10, -3), 7);
  const view = longView(0, 1000, 10);
  assert.deepEqual([1, 50, 100].map((step) => stepAfter(view, step, 1)), [101, 101, 101]);
  assert.equal(stepAfter(view, 150, -1), 1);
  assert.equal(stepAfter(view, 950, 1), 1001, "beyond the view, where the next part begins");
  assert.equal(stepAfter(longView(100, 200, 10), 101, -1), 100);
});

test("units are next to each other as they are drawn", () => {
  assert.deepEqual([unitBelow(exactView(), 2, 1), unitBelow(exactView(), 2, -1), unitBelow(exactView(), 1, 1)], [0, undefined, undefined]);
  const pairs = exactView({ units: [0, 1, 2, 3], panels: [{ units: false, grouped: 1 }, { units: true, grouped: 2 }] });
  assert.equal(unitBelow(pairs, 0, 1), 2);
});

test("keys move the cursor, zoom and play", () => {
  const of = (key, view = exactView()) => actionOfKey(key, view, { step: 50, unit: 0 }, [1, 100]);
  assert.deepEqual(of("ArrowLeft"), { step: 49 });
  assert.deepEqual(of("ArrowRight"), { step: 51 });
  assert.deepEqual([of("PageUp"), of("PageDown")], [{ step: 60 }, { step: 40 }]);
  assert.deepEqual([of("Home"), of("End")], [{ step: 1 }, { step: 100 }]);
  assert.deepEqual([of("ArrowUp"), of("ArrowDown")], [{ unit: 2 }, { unit: 1 }]);
  assert.deepEqual([of("+"), of("-"), of("0"), of(" ")], [{ zoom: 0.25 }, { zoom: 4 }, { all: true }, { play: true }]);
  assert.deepEqual([of("Enter"), of("Enter", longView())], [null, { single: true }]);
  assert.equal(of("a"), null);
  assert.deepEqual(actionOfKey("PageUp", exactView(), { step: 1, unit: 0 }, [1, 5]), { step: 3 }, "a leap is two steps at least");
});
