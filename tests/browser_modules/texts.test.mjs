import assert from "node:assert/strict";
import test from "node:test";
import { countText, escapeMarkup, formulaText, shortText } from "../../gru_viz/browser/inspector/texts.js";

test("counts are in groups of three digits", () => {
  assert.deepEqual([1, 999, 1000, 1234567].map(countText), ["1", "999", "1,000", "1,234,567"]);
});

test("short numbers have two decimals and a real minus", () => {
  assert.deepEqual([0.126, -1, NaN, Infinity].map(shortText), ["0.13", "−1.00", "NaN", "Infinity"]);
});

test("a term begins with its sign, a negative factor is in brackets, and nothing is minus zero", () => {
  assert.deepEqual([0.25, -0.25, -0.0001].map((value) => formulaText(value)), ["0.250", "−0.250", "0.000"]);
  assert.deepEqual([0.25, -0.25, -0.0001].map((value) => formulaText(value, true)), [" + 0.250", " − 0.250", " + 0.000"]);
  assert.deepEqual([0.25, -0.25].map((value) => formulaText(value, false, true)), ["0.250", "(−0.250)"]);
  assert.deepEqual([123.456, 1e5, -2.5e7].map((value) => formulaText(value)), ["123.5", "1.00e+5", "−2.50e+7"]);
});

test("a label from a file stays a label", () => {
  assert.equal(escapeMarkup("<b>&amp;"), "&lt;b>&amp;amp;");
});
