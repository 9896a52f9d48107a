// Columns of steps: which one has a step, what it is called, and which get a tick.

import { countText, escapeMarkup } from "./texts.js";

/** @returns {number} the column that has a step, counted from 0: the last edge that is not after it */
export function columnOf(edges, step) {
  let low = 0;
  let high = edges.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (edges[middle] <= step) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** @returns {boolean} whether there is a column for a step, counted from 1 */
export function hasStep(edges, step) {
  return step > edges[0] && step <= edges.at(-1);
}

/** @returns {string} the steps of a column in words */
export function stepsText(edges, column) {
  const [from, to] = [edges[column] + 1, edges[column + 1]];
  return from >= to ? `step ${countText(from)}` : `steps ${countText(from)}–${countText(to)}`;
}

/**
 * As many labels as fit; single characters are all drawn or none, since every other letter reads as nonsense.
 * @param {{labels: string[], edges: number[]}} view
 * @param {number} from first step in sight, counted from 0
 * @param {number} to last step in sight, counted from 0
 * @param {number} width of the axis in pixels
 * @returns {object} what plotly's layout is changed by
 */
export function tickLabels({ labels, edges }, from, to, width) {
  const longest = labels.reduce((most, label) => Math.max(most, label.length), 1);
  const space = longest === 1 ? 7.5 : 8 * longest + 12;
  const first = columnOf(edges, from);
  const last = columnOf(edges, to);
  const stride = Math.max(1, Math.ceil(((last - first + 1) * space) / width));
  if (longest === 1 && stride > 1) return { "xaxis.tickmode": "auto" };
  const tickvals = [];
  const ticktext = [];
  for (let i = first; i <= last; i += stride) {
    tickvals.push(edges[i] + 1);
    ticktext.push(escapeMarkup(labels[i]));
  }
  return { "xaxis.tickmode": "array", "xaxis.tickvals": tickvals, "xaxis.ticktext": ticktext };
}
