// Snapshots and their maps as numbers. Nothing here touches the page.

import { readArray, readBlock } from "../shared/payload.js";

export const NO_VALUE = 255;

/**
 * A map of one quantity at every snapshot of its lane: codes of one byte, from low (0) to high (254).
 * @typedef {{title: string, meaning: string, low: number, high: number, lowMeans: string, highMeans: string,
 *   colours: string, codes: Uint8Array}} SnapshotMap
 * @typedef {{name: string, colour: string, updates: number[], units: string[], columns: number,
 *   maps: SnapshotMap[]}} SnapshotLane
 * @typedef {object} Snapshots
 * @property {string} digest changes exactly with the maps
 * @property {SnapshotLane[]} lanes
 * @property {number[]} updates of all snapshots of all lanes, rising
 * @property {number} steps how many steps each column is the mean of
 * @property {string} probe what is read
 * @property {Object<string, Uint8Array>} tables red, green and blue of each code
 */

/**
 * @param {Uint8Array} bytes
 * @returns {Snapshots}
 */
export function decodeSnapshots(bytes) {
  const { header, arrays } = readBlock(bytes);
  const read = ({ array }) => readArray(arrays, array);
  for (const lane of header.lanes) for (const map of lane.maps) map.codes = read(map.codes);
  for (const name of Object.keys(header.tables)) header.tables[name] = read(header.tables[name]);
  return header;
}

/** With commas: 1,234. */
export function grouped(number) {
  return number.toLocaleString("en-US");
}

/** The place of the newest snapshot that is not after an update. */
export function snapshotAt(updates, update) {
  let place = 0;
  while (place + 1 < updates.length && updates[place + 1] <= update) place += 1;
  return place;
}

/** The value of a code as it is written. */
export function valueText(code, { low, high }) {
  if (code === NO_VALUE) return "nothing";
  return (low + (code / (NO_VALUE - 1)) * (high - low)).toFixed(2).replace("-", "−");
}

/**
 * The colours of a table as a canvas stores them; the code of no value has none.
 * @param {Uint8Array} table
 * @returns {Uint32Array}
 */
export function colourWords(table) {
  const bytes = new Uint8Array(4 * (NO_VALUE + 1));
  for (let code = 0; code <= NO_VALUE; code++) {
    bytes.set([...table.subarray(3 * code, 3 * code + 3), code === NO_VALUE ? 0 : 255], 4 * code);
  }
  return new Uint32Array(bytes.buffer);
}

/**
 * Which updates are named under a slider: where there is space, the first, the last and powers of ten before others.
 * @param {number[]} updates
 * @param {number} width in pixels
 * @returns {{place: number, x: number}[]}
 */
export function marksFor(updates, width) {
  const last = updates.length - 1;
  const xOf = (place) => (last ? (place / last) * width : 0);
  const rank = (place) => {
    if (place === last || place === 0) return 0;
    return updates[place] === 0 || Number.isInteger(Math.log10(updates[place])) ? 1 : 2;
  };
  const marks = [];
  for (const place of updates.map((_, i) => i).sort((a, b) => rank(a) - rank(b))) {
    const half = 5 * grouped(updates[place]).length + 6;
    const x = xOf(place);
    if (marks.every((other) => Math.abs(other.x - x) > half + other.half)) marks.push({ place, x, half });
  }
  return marks;
}
