// Heatmaps of 12 bits a number: two numbers in three bytes, enough for three decimals at three eighths of float32.

export const NAN_CODE = 4095;

/**
 * A heatmap that is packed, and how to read it.
 * @typedef {object} Heatmap
 * @property {Uint8Array} bytes
 * @property {number} rows
 * @property {number} columns
 * @property {number} low the value of code 0
 * @property {number} high the value of the last code
 * @property {function(number, number): number} valueAt (row, column) → value; NaN where there is none
 * @property {function(number, number): ?number[]} extremesAt (row, column) → the lowest and highest value of the column's
 *   steps; null where each column is one step
 * @property {function(number): number} [rowAt] where its rows are repeated: a row drawn → its row among the numbers
 */

/** @returns {number} the code at a place */
export function codeAt(bytes, i) {
  const at = 3 * (i >> 1);
  return i & 1 ? ((bytes[at + 1] & 15) << 8) | bytes[at + 2] : (bytes[at] << 4) | (bytes[at + 1] >> 4);
}

/** @returns {number} the value at a place */
export function numberAt(bytes, { low, high }, i) {
  const code = codeAt(bytes, i);
  return code === NAN_CODE ? NaN : low + (code * (high - low)) / (NAN_CODE - 1);
}

/**
 * Add to a panel of the header how its numbers are read, one by one.
 * @returns {Heatmap}
 */
export function decodePanel(panel, arrays) {
  const numbers = (bytes) => (row, column) => numberAt(bytes, panel, row * panel.columns + column);
  const limits = panel.extremes?.map((offset) => numbers(arrays.subarray(offset)));
  panel.bytes = arrays.subarray(panel.offset);
  panel.valueAt = numbers(panel.bytes);
  panel.extremesAt = limits ? (row, column) => limits.map((at) => at(row, column)) : () => null;
  return panel;
}

/** @returns {Float32Array[]} all numbers of a heatmap */
export function unpackHeatmap({ rows, columns, valueAt }) {
  return Array.from({ length: rows }, (_, row) => Float32Array.from({ length: columns }, (_, column) => valueAt(row, column)));
}

/** What plotly is given in place of a heatmap's numbers: it needs to know how many there are. */
export function outlineOf({ rows, columns }) {
  return Array.from({ length: rows }, (_, row) => new Float32Array(row ? 0 : columns));
}

/** Rows whose elements are made when they are read. */
export function lazyRows(elementAt) {
  const lazy = (read) =>
    new Proxy([], { get: (target, key) => (typeof key === "string" && /^\d+$/.test(key) ? read(Number(key)) : target[key]) });
  return lazy((row) => lazy((column) => elementAt(row, column)));
}
