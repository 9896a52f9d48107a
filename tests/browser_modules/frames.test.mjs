import assert from "node:assert/strict";
import test from "node:test";
import { colourWords, grouped, marksFor, snapshotAt, valueText } from "../../gru_viz/browser/snapshots/frames.js";

test("a snapshot is the newest that is not after an update", () => {
  assert.deepEqual([0, 5, 10, 99, 1000].map((update) => snapshotAt([0, 10, 100], update)), [0, 0, 1, 1, 2]);
});

test("codes are written as the values they stand for", () => {
  const gate = { low: 0, high: 1 };
  assert.deepEqual([0, 127, 254, 255].map((code) => valueText(code, gate)), ["0.00", "0.50", "1.00", "nothing"]);
  assert.equal(valueText(0, { low: -2.5, high: 2.5 }), "−2.50");
  assert.equal(grouped(12345), "12,345");
});

test("a table becomes pixels, and no value has no colour", () => {
  const table = Uint8Array.from({ length: 3 * 256 }, (_, i) => i % 251);
  const bytes = new Uint8Array(colourWords(table).buffer);
  assert.deepEqual([...bytes.subarray(0, 8)], [0, 1, 2, 255, 3, 4, 5, 255]);
  assert.equal(bytes[4 * 255 + 3], 0);
});

test("the first, the last and powers of ten are named before others, and none over another", () => {
  const updates = [0, 1, 2, 4, 10, 20, 50, 100, 200, 500];
  const named = (width) => marksFor(updates, width).map(({ place }) => updates[place]).sort((a, b) => a - b);
  assert.deepEqual(named(2000), updates);
  assert.deepEqual(named(60), [0, 500]);
  const some = named(250);
  assert.ok(some.includes(0) && some.includes(500) && some.includes(10));
  const places = marksFor(updates, 250).map(({ x, place }) => [x, 5 * grouped(updates[place]).length + 6]).sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < places.length; i++) assert.ok(places[i][0] - places[i - 1][0] > places[i][1] + places[i - 1][1]);
  assert.deepEqual(marksFor([0], 100).map(({ x }) => x), [0]);
});
