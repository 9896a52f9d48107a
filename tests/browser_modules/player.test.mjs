import assert from "node:assert/strict";
import test from "node:test";
import { Player } from "../../gru_viz/browser/inspector/player.js";

test.mock.method(performance, "now", () => 0);
let frame = null;
globalThis.requestAnimationFrame = (callback) => {
  frame = callback;
  return 1;
};
globalThis.cancelAnimationFrame = () => {
  frame = null;
};

function playTo(end) {
  const seen = { step: 0, changes: [] };
  const player = new Player((steps) => (seen.step += steps) >= end, (playing) => seen.changes.push(playing));
  return { player, seen, at: (ms) => frame(ms) };
}

test("it advances by the clock, whatever the frames", () => {
  const { player, seen, at } = playTo(1000);
  player.start(() => 10);
  for (const [ms, step] of [[50, 0], [130, 1], [560, 5], [1110, 11]]) {
    at(ms);
    assert.equal(seen.step, step);
  }
  player.stop();
  assert.ok(!player.playing);
  assert.deepEqual(seen.changes, [true, false]);
});

test("it stops at the end", () => {
  const { player, seen, at } = playTo(3);
  player.start(() => 100);
  at(1000);
  assert.ok(!player.playing);
  assert.deepEqual(seen.changes, [true, false]);
});
