import assert from "node:assert/strict";
import test from "node:test";
import { mountOnce } from "../../gru_viz/browser/shared/mount.js";

function component() {
  const calls = [];
  return { calls, show: (data) => calls.push(data), dispose: () => calls.push("disposed") };
}

test("an element gets one component, which shows all its data", () => {
  const parentElement = { isConnected: true };
  const made = [];
  const create = () => made[made.push(component()) - 1];
  mountOnce({ data: 1, parentElement }, create);
  mountOnce({ data: 2, parentElement }, create);
  assert.equal(made.length, 1);
  assert.deepEqual(made[0].calls, [1, 2]);
});

test("the clean-up of a superseded call leaves the component alone, and ends it once its element has gone", () => {
  const parentElement = { isConnected: true };
  const made = component();
  const first = mountOnce({ data: 1, parentElement }, () => made);
  const second = mountOnce({ data: 2, parentElement }, () => made);
  first();
  assert.deepEqual(made.calls, [1, 2]);
  parentElement.isConnected = false;
  second();
  assert.deepEqual(made.calls, [1, 2, "disposed"]);
  const next = component();
  mountOnce({ data: 3, parentElement }, () => next);
  assert.deepEqual(next.calls, [3]);
});
