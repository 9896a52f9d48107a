// Which steps are in sight, how zooming and panning change them, and when Python is asked for finer columns.

import { columnOf } from "./columns.js";

const FOLLOW = 0.1; // how far inside the maps the cursor is when they follow it, as a share of their width
const WIDTH_STEP = 100; // the maps' width is reported in multiples of so many pixels

/**
 * What outlives the component: the axis' range when the user last zoomed, and the view of a whole long sequence.
 * @typedef {{zoom: ?{total: number, range: number[]}, whole: ?{subject: string, view: object}}} ViewportMemory
 */

export class Viewport {
  /**
   * @param {ViewportMemory} memory
   * @param {function(object): void} report is called with {from, to, total, width}
   */
  constructor(memory, report) {
    this.memory = memory;
    this.report = report;
  }

  /** @param {import("./view.js").View} view */
  show(view) {
    this.view = view;
    this.long = Boolean(view.subject);
    this.first = this.long ? 1 : view.first;
    this.last = this.long ? view.total : view.first + view.steps - 1;
    if (this.long && view.edges[0] === 0 && view.edges.at(-1) === view.total) {
      this.memory.whole = { subject: view.subject, view };
    }
  }

  /** The range of an axis on which the user zoomed in this sequence; null where there is none. */
  get zoomed() {
    return this.memory.zoom?.total === this.view.total ? this.memory.zoom.range : null;
  }

  /** The first and the last step in sight. */
  get range() {
    if (!this.zoomed) return this.view.zoom ?? [this.first, this.last];
    const within = (step) => Math.min(Math.max(step, this.first), this.last);
    return [within(Math.floor(this.zoomed[0] + 0.5)), within(Math.ceil(this.zoomed[1] - 0.5))];
  }

  get size() {
    return this.range[1] - this.range[0] + 1;
  }

  get showsAll() {
    return this.range[0] === this.first && this.range[1] === this.last;
  }

  /** The axis' range to draw with. */
  get axisRange() {
    return this.zoomed ? [...this.zoomed] : axisRangeOf(...this.range);
  }

  /** The axis' range of all steps. */
  get fullAxisRange() {
    return axisRangeOf(this.first, this.last);
  }

  /**
   * Remember the axis' range as it is drawn.
   * @returns {boolean} whether it has changed
   */
  setAxisRange(range) {
    const moved = this.zoomed?.join() !== range.join();
    this.memory.zoom = { total: this.view.total, range: [...range] };
    return moved;
  }

  /** The view of the whole of a long sequence, where the current one is a part of it. */
  get whole() {
    const { whole } = this.memory;
    const known = this.long && whole?.subject === this.view.subject ? whole.view : null;
    return known === this.view ? null : known;
  }

  /**
   * Whether the whole must be drawn too, since more is in sight than the view has: below the view, or above it where
   * the view's columns are so narrow that they would hide each other.
   * @param {number} width of the maps in pixels
   * @returns {""|"above"|"below"}
   */
  backdrop(width) {
    if (this.whole === null) return "";
    const { edges, columns } = this.view;
    const [from, to] = this.range;
    const pixels = ((edges.at(-1) - edges[0]) / (to - from + 1)) * width;
    if (pixels < columns / 2) return "above";
    return from - 1 < edges[0] || to > edges.at(-1) ? "below" : "";
  }

  /**
   * The axis' range for so many steps, with a step's column where it is, or with another place in the middle.
   * @param {number} size
   * @param {number} step
   * @param {?number} [middle]
   */
  zoomedTo(size, step, middle = null) {
    const [from, to] = this.range;
    const steps = Math.round(Math.min(Math.max(size, 8), this.last - this.first + 1));
    const share = Math.min(Math.max((step - from) / Math.max(to - from, 1), 0), 1);
    const wanted = middle === null ? step - share * steps : middle - steps / 2;
    return this.beginningAt(Math.round(wanted), steps);
  }

  /** The axis' range for a step's column: step by step where it is narrow enough, else as fine as it can be. */
  zoomedToColumn(step) {
    const { edges, single } = this.view;
    const column = columnOf(edges, step - 1);
    const width = edges[column + 1] - edges[column];
    const size = width > single ? width : Math.min(single, Math.max(3 * width, 200));
    return this.zoomedTo(size, step, (edges[column] + edges[column + 1]) / 2);
  }

  /** The axis' range that follows the cursor out of sight in a long sequence; null where it is in sight. */
  following(step) {
    const [from, to] = this.range;
    if (!this.long || (step >= from && step <= to)) return null;
    const size = to - from + 1;
    return this.beginningAt(step - Math.round((step > to ? FOLLOW : 1 - FOLLOW) * size), size);
  }

  beginningAt(step, size) {
    const begin = Math.min(Math.max(step, this.first), this.last - size + 1);
    return axisRangeOf(begin, begin + size - 1);
  }

  /**
   * Report what is in sight and how wide it is drawn, unless that was reported last; Python answers for a long sequence
   * with columns of it.
   * @param {number} delay in milliseconds
   * @param {number} length of the axis in pixels
   */
  request(delay, length) {
    this.cancelRequest();
    const [from, to] = this.range;
    const { total, zoom, pixels } = this.view;
    const width = Math.max(WIDTH_STEP, Math.floor(length / WIDTH_STEP) * WIDTH_STEP);
    const key = (range, drawn) => `${range.join(":")}:${total}${this.long ? `:${drawn}` : ""}`;
    this.requested ??= key(zoom ?? [this.first, this.last], pixels);
    const wanted = key([from, to], width);
    if (wanted === this.requested) return;
    const send = () => {
      this.requested = wanted;
      this.report({ from, to, total, width });
    };
    if (delay) this.requesting = setTimeout(send, delay);
    else send();
  }

  cancelRequest() {
    clearTimeout(this.requesting);
  }
}

function axisRangeOf(from, to) {
  return [from - 0.5, to + 0.5];
}
