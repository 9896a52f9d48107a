// What comes from Python, decoded. Nothing here touches the page.

import { readArray, readBlock } from "../shared/payload.js";
import { decodePanel, outlineOf } from "./heatmap_codes.js";
import { escapeMarkup } from "./texts.js";

/**
 * A view of a sequence, or of a part of a long one. Steps are counted from 1, units, columns and rows from 0.
 * @typedef {object} View
 * @property {string} picture changes exactly with what is drawn
 * @property {{data: object[], layout: object}} figure plotly's description
 * @property {(import("./heatmap_codes.js").Heatmap & {trace: number, units: boolean, grouped: number})[]} panels the
 *   heatmaps: which trace of the figure draws it, whether its rows are units, and how many share a row
 * @property {{trace: number}[]} curves which traces of the figure are lines
 * @property {?string[]} labels of each column
 * @property {number[]} edges the step at which each column begins, counted from 0, and the one after the last
 * @property {boolean} exact whether every column is one step, with its formulas
 * @property {number} first step of the view
 * @property {number} steps
 * @property {number} columns
 * @property {number} total steps of the whole sequence
 * @property {?number[]} zoom first and last step in sight when nothing was zoomed
 * @property {string} subject the same for all views of parts of one long sequence; empty where there are no others
 * @property {number} single how many steps can be drawn one by one, where columns have many
 * @property {number} pixels of width that the columns are meant for
 * @property {number[]} units from top to bottom
 * @property {number} unit that is worked out when none was chosen
 * @property {number} start step of the cursor when it was not moved; 0 leaves the choice here
 * @property {string} filename of a saved picture
 * @property {Formula[]} formulas one, or two that are compared
 * @property {function(number|number[]): Float32Array} seriesAt from an address to a number for each column
 */

/**
 * The equations of a layer, and for each unit the addresses of its numbers.
 * @typedef {object} Formula
 * @property {string} title
 * @property {{symbol: string, name: string, words: ?string[], drawn: any, original: any}[]} readings
 * @property {{quantity: string, name: string, symbol: string, tokens: (string|object)[]}[]} lines
 * @property {Object<number, Object<string, any>>} units
 */

/**
 * @param {Uint8Array} bytes
 * @returns {View}
 */
export function decodeView(bytes) {
  const { header, arrays } = readBlock(bytes);
  const { columns, figure } = header;
  for (const panel of header.panels) {
    figure.data[panel.trace].map = decodePanel(panel, arrays);
    figure.data[panel.trace].z = outlineOf(panel);
  }
  // A series is where its bytes begin, or, where it never changes, its one value in brackets.
  header.seriesAt = (address) =>
    Array.isArray(address)
      ? new Float32Array(columns).fill(address[0])
      : readArray(arrays, { at: address, count: columns, kind: "f4" });
  for (const curve of header.curves) {
    const trace = figure.data[curve.trace];
    trace.y = header.seriesAt(curve.y);
    trace.customdata = Array.from(header.seriesAt(curve.original));
    if (header.labels) trace.text = header.labels.map(escapeMarkup);
  }
  header.edges ??= Array.from({ length: header.steps + 1 }, (_, i) => header.first - 1 + i);
  header.exact = !header.single;
  if (!header.exact) {
    const middles = header.edges.slice(1).map((edge, i) => (header.edges[i] + edge + 1) / 2);
    for (const { trace } of header.curves) figure.data[trace].x = middles;
  }
  return header;
}
