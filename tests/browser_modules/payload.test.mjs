import assert from "node:assert/strict";
import test from "node:test";
import { readArray, readBlock, sameBytes, withArrays } from "../../gru_viz/browser/shared/payload.js";

function block(header, ...arrays) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(Uint32Array.of(text.length).buffer);
  const parts = [Uint8Array.of(0, 0, 0), length, text, ...arrays.map((array) => new Uint8Array(array.buffer))];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes.subarray(3); // at an odd address
}

test("a header and its arrays come back, at any address", () => {
  const values = Float32Array.of(1.5, -2, NaN);
  const { header, arrays } = readBlock(block({ name: "é", at: 3 }, Uint8Array.of(7, 8, 9), values));
  assert.deepEqual(header, { name: "é", at: 3 });
  assert.deepEqual(readArray(arrays, { at: 0, count: 3, kind: "u1" }), Uint8Array.of(7, 8, 9));
  assert.deepEqual(readArray(arrays, { at: 3, count: 3, kind: "f4" }), values);
});

test("a matrix becomes rows", () => {
  const { arrays } = readBlock(block({}, Uint16Array.of(1, 2, 3, 4, 5, 6)));
  const rows = readArray(arrays, { at: 0, count: 6, kind: "u2", columns: 3 });
  assert.deepEqual(rows.map((row) => [...row]), [[1, 2, 3], [4, 5, 6]]);
});

test("addresses anywhere in the header become arrays, and the header stays as it was", () => {
  const { header, arrays } = readBlock(block({ data: [{ x: { array: { at: 0, count: 1, kind: "f8" } }, name: null }] }, Float64Array.of(0.1)));
  assert.deepEqual(withArrays(header.data, arrays), [{ x: Float64Array.of(0.1), name: null }]);
  assert.equal(header.data[0].x.array.count, 1);
});

test("blocks are compared byte by byte", () => {
  const bytes = Uint8Array.of(1, 2);
  assert.ok(sameBytes(bytes, bytes));
  assert.ok(sameBytes(bytes, Uint8Array.of(1, 2)));
  assert.ok(!sameBytes(bytes, Uint8Array.of(1, 3)));
  assert.ok(!sameBytes(bytes, Uint8Array.of(1)));
});
