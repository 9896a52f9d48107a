// A heatmap's picture: a pixel for each number, stretched by the browser.

import { loadPlotly } from "../shared/plotly.js";
import { replaceHeatmapPainting } from "../shared/plotly_internals.js";
import { NAN_CODE, codeAt, lazyRows } from "./heatmap_codes.js";

let paintingPlotly;

/** @returns {Promise<any>} Plotly, which paints heatmaps from their packed numbers */
export function loadPaintingPlotly() {
  paintingPlotly ??= loadPlotly().then(async (Plotly) => {
    await replaceHeatmapPainting(Plotly, numbersForPlotly, placeMap);
    return Plotly;
  });
  return paintingPlotly;
}

function numbersForPlotly(map) {
  return lazyRows((row, column) => {
    const value = map.valueAt(row, column);
    return Number.isNaN(value) ? undefined : value;
  });
}

function placeMap(image, map, trace, box) {
  if (image.map !== map) {
    image.setAttribute("href", paint(map, trace));
    image.map = map;
  }
  for (const [name, value] of Object.entries(box)) image.setAttribute(name, value);
}

/** @returns {string} the address of a heatmap's picture */
export function paint({ bytes, rows, columns, low, high, rowAt }, { zmin, zmax, colorscale }) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const picture = context.createImageData(columns, rows);
  const pixels = new Uint32Array(picture.data.buffer);
  const colours = coloursOfCodes(colorscale, (low - zmin) / (zmax - zmin), (high - zmin) / (zmax - zmin));
  for (let row = 0; row < rows; row++) {
    const start = (rowAt ? rowAt(row) : row) * columns;
    for (let i = 0; i < columns; i++) pixels[row * columns + i] = colours[codeAt(bytes, start + i)];
  }
  context.putImageData(picture, 0, 0);
  return canvas.toDataURL();
}

/**
 * The colour of each code; the code of no number has none.
 * @param {[number, string][]} scale shares of the scale, rising, and their colours as #rrggbb
 * @param {number} first where on the scale code 0 is, as a share
 * @param {number} last where the last code is
 * @returns {Uint32Array} as a canvas stores them
 */
export function coloursOfCodes(scale, first, last) {
  const stops = scale.map(([share, colour]) => ({ share, parts: [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)) }));
  const colours = new Uint8ClampedArray(4 * (NAN_CODE + 1));
  for (let code = 0; code < NAN_CODE; code++) {
    const share = Math.min(Math.max(first + (code * (last - first)) / (NAN_CODE - 1), 0), 1);
    const at = Math.max(stops.findIndex((stop) => stop.share >= share), 1);
    const [below, above] = [stops[at - 1], stops[at]];
    const part = (share - below.share) / (above.share - below.share);
    for (let k = 0; k < 3; k++) colours[4 * code + k] = below.parts[k] + part * (above.parts[k] - below.parts[k]);
    colours[4 * code + 3] = 255;
  }
  return new Uint32Array(colours.buffer);
}
