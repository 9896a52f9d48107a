import assert from "node:assert/strict";
import test from "node:test";
import { exactView, longView, viewportOf } from "./views.mjs";

test("all steps are in sight until the user zooms or the view says otherwise", () => {
  assert.deepEqual(viewportOf(exactView({ first: 11 })).range, [11, 110]);
  assert.deepEqual(viewportOf(exactView({ zoom: [5, 9] })).range, [5, 9]);
  assert.ok(viewportOf(exactView()).showsAll);
  assert.ok(!viewportOf(exactView({ zoom: [5, 9] })).showsAll);
});

test("a zoom is remembered for sequences of the same length", () => {
  const memory = { zoom: null, whole: null };
  const viewport = viewportOf(exactView(), memory);
  assert.ok(viewport.setAxisRange([9.5, 20.5]));
  assert.ok(!viewport.setAxisRange([9.5, 20.5]), "nothing has moved");
  assert.deepEqual(viewport.range, [10, 20]);
  assert.deepEqual(viewportOf(exactView(), memory).axisRange, [9.5, 20.5]);
  assert.deepEqual(viewportOf(exactView({ steps: 50 }), memory).range, [1, 50]);
  assert.deepEqual(viewportOf(exactView({ steps: 50 }), memory).axisRange, [0.5, 50.5]);
});

test("half steps at both ends are no steps in sight, and none lies outside", () => {
  const viewport = viewportOf(exactView());
  viewport.setAxisRange([-3, 7.2]);
  assert.deepEqual(viewport.range, [1, 7]);
  viewport.setAxisRange([98.4, 100.5]);
  assert.deepEqual(viewport.range, [98, 100]);
});

test("a zoom leaves the cursor's column where it is", () => {
  const viewport = viewportOf(exactView());
  assert.deepEqual(viewport.zoomedTo(25, 1), [0.5, 25.5]);
  assert.deepEqual(viewport.zoomedTo(25, 50), [37.5, 62.5]);
  assert.deepEqual(viewport.zoomedTo(20, 50.5), [40.5, 60.5]);
  assert.deepEqual(viewport.zoomedTo(1, 50), [45.5, 53.5], "never fewer than eight steps");
  assert.deepEqual(viewport.zoomedTo(1000, 50), [0.5, 100.5], "never more than there are");
});

test("a column of many steps is opened step by step, or as far as steps fit", () => {
  const viewport = viewportOf(longView());
  const [from, to] = viewport.zoomedToColumn(500_500);
  assert.deepEqual([to - from, (from + to) / 2], [2000, 500_499.5]);
  const wide = viewportOf(longView(0, 1_000_000, 100));
  assert.deepEqual(wide.zoomedToColumn(1), [0.5, 10_000.5]);
  const narrow = viewportOf(longView(0, 10_000, 1000));
  assert.deepEqual(narrow.zoomedToColumn(5_005), [4_904.5, 5_104.5]);
});

test("a long sequence follows the cursor out of sight, and no other does", () => {
  const viewport = viewportOf(longView(), { zoom: { total: 1_000_000, range: [1000.5, 2000.5] }, whole: null });
  assert.equal(viewport.following(1500), null);
  assert.deepEqual(viewport.following(2001), [1900.5, 2900.5]);
  assert.deepEqual(viewport.following(1000), [99.5, 1099.5]);
  assert.deepEqual(viewport.following(1_000_000), [999_000.5, 1_000_000.5]);
  const short = viewportOf(exactView(), { zoom: { total: 100, range: [10.5, 20.5] }, whole: null });
  assert.equal(short.following(99), null);
});

test("the whole of a long sequence is drawn where its part does not reach, or is too small to be seen", () => {
  const memory = { zoom: null, whole: null };
  viewportOf(longView(), memory);
  const part = longView(100_000, 200_000, 1000);
  const seen = (range) => {
    memory.zoom = { total: 1_000_000, range };
    return viewportOf(part, memory).backdrop(1000);
  };
  assert.equal(seen([100_000.5, 200_000.5]), "");
  assert.equal(seen([120_000.5, 220_000.5]), "below");
  assert.equal(seen([0.5, 1_000_000.5]), "above");
  assert.equal(viewportOf(longView(), memory).backdrop(1000), "", "the whole needs no other");
  assert.equal(viewportOf({ ...part, subject: "another" }, memory).backdrop(1000), "");
});

test("what is in sight is reported once it rests, and only when it has changed", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const reports = [];
  const viewport = viewportOf(exactView(), undefined, (range) => reports.push(range));
  viewport.request(350, 812);
  context.mock.timers.tick(1000);
  assert.deepEqual(reports, [], "Python knows the view that it has sent");
  viewport.setAxisRange([9.5, 20.5]);
  viewport.request(350, 812);
  context.mock.timers.tick(200);
  viewport.setAxisRange([10.5, 20.5]);
  viewport.request(350, 812);
  context.mock.timers.tick(349);
  assert.deepEqual(reports, []);
  context.mock.timers.tick(1);
  assert.deepEqual(reports, [{ from: 11, to: 20, total: 100, width: 800 }]);
  viewport.request(0, 999);
  assert.equal(reports.length, 1, "the width of a short sequence changes nothing");
});

test("a long sequence also asks when it is drawn wider", () => {
  const reports = [];
  const viewport = viewportOf(longView(), undefined, (range) => reports.push(range));
  viewport.request(0, 899);
  assert.deepEqual(reports, []);
  viewport.request(0, 900);
  viewport.request(0, 950);
  assert.deepEqual(reports.map(({ width }) => width), [900]);
  viewport.request(0, 20);
  assert.equal(reports[1].width, 100);
});
