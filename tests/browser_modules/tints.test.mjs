import assert from "node:assert/strict";
import test from "node:test";
import { tinted } from "../../gru_viz/browser/charts/tints.js";

test("two colours follow the theme wherever they stand, and numbers are left alone", () => {
  const values = Float32Array.of(1);
  const description = [{ line: { color: "#1b1f24" }, y: values, text: ["#fffffe", "other"], z: null, width: 2 }];
  const found = tinted(description, { "#1b1f24": "white", "#fffffe": "black" });
  assert.deepEqual(found, [{ line: { color: "white" }, y: values, text: ["black", "other"], z: null, width: 2 }]);
  assert.equal(found[0].y, values);
});
