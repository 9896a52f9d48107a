import assert from "node:assert/strict";
import test from "node:test";
import { NAN_CODE } from "../../gru_viz/browser/inspector/heatmap_codes.js";
import { coloursOfCodes } from "../../gru_viz/browser/inspector/painting.js";

const parts = (colours, code) => [...new Uint8Array(colours.buffer, 4 * code, 4)];

test("codes are coloured along the scale, and no number has no colour", () => {
  const colours = coloursOfCodes([[0, "#000000"], [0.5, "#ff0000"], [1, "#ffffff"]], 0, 1);
  assert.deepEqual(parts(colours, 0), [0, 0, 0, 255]);
  assert.deepEqual(parts(colours, (NAN_CODE - 1) / 2), [255, 0, 0, 255]);
  assert.deepEqual(parts(colours, NAN_CODE - 1), [255, 255, 255, 255]);
  assert.deepEqual(parts(colours, NAN_CODE), [0, 0, 0, 0]);
});

test("codes beyond the scale have the colour of its end", () => {
  const colours = coloursOfCodes([[0, "#102030"], [1, "#405060"]], -1, 2);
  assert.deepEqual(parts(colours, 0), [0x10, 0x20, 0x30, 255]);
  assert.deepEqual(parts(colours, NAN_CODE - 1), [0x40, 0x50, 0x60, 255]);
  assert.deepEqual(parts(colours, (NAN_CODE - 1) / 2), [0x28, 0x38, 0x48, 255]);
});
