// The cursor's line over the maps, and the marks around the chosen unit's rows.

import { el } from "../shared/dom.js";
import { horizontalAxis, verticalAxes, verticalAxis } from "../shared/plotly_internals.js";
import { columnOf, hasStep } from "./columns.js";

const NARROW = 6; // pixels below which a column gets a line instead of a frame

export class Overlay {
  /**
   * @param {HTMLElement} plot
   * @param {HTMLElement} line
   * @param {HTMLElement} rowMarks
   */
  constructor(plot, line, rowMarks) {
    Object.assign(this, { plot, line, rowMarks });
  }

  /**
   * @param {import("./view.js").View} view
   * @param {import("./cursor.js").Cursor} cursor
   */
  place(view, cursor) {
    const axis = horizontalAxis(this.plot);
    if (!axis) return;
    const rows = verticalAxes(this.plot);
    const top = Math.min(...rows.map(({ offset }) => offset));
    const bottom = Math.max(...rows.map(({ offset, length }) => offset + length));
    this.stepWidth = axis.length / (axis.range[1] - axis.range[0]); // not from pixelOf, which rounds
    Object.assign(this.line.style, { top: `${top}px`, height: `${bottom - top}px` });
    this.placeLine(view, cursor.step);
    this.placeRowMarks(view, cursor.unit);
  }

  placeLine(view, step) {
    const axis = horizontalAxis(this.plot);
    if (!axis || !this.stepWidth) return;
    const column = columnOf(view.edges, step - 1);
    const single = view.exact || !hasStep(view.edges, step);
    const [begin, end] = single ? [step - 1, step] : [view.edges[column], view.edges[column + 1]];
    const columnWidth = (end - begin) * this.stepWidth;
    const width = columnWidth < NARROW ? 2 : columnWidth;
    const centre = axis.pixelOf((begin + end + 1) / 2);
    this.line.classList.toggle("gv-line-only", columnWidth < NARROW);
    this.line.style.width = `${width}px`;
    this.line.style.transform = `translateX(${axis.offset + centre - width / 2}px)`;
    this.line.hidden = centre < -0.5 || centre > axis.length + 0.5;
  }

  placeRowMarks(view, unit) {
    const steps = horizontalAxis(this.plot);
    if (!steps) return;
    const place = view.units.indexOf(unit);
    const marks = view.panels.filter((panel) => panel.units).map((panel) => {
      const axis = verticalAxis(this.plot, view.figure.data[panel.trace].yaxis);
      const height = Math.abs(axis.pixelOf(1) - axis.pixelOf(0));
      const row = place < 0 ? -1 : Math.floor(place / panel.grouped);
      const middle = axis.pixelOf(row);
      const mark = el("div", "gv-row-mark");
      Object.assign(mark.style, {
        top: `${axis.offset + middle - height / 2}px`,
        height: `${height}px`,
        left: `${steps.offset}px`,
        width: `${steps.length}px`,
      });
      mark.hidden = row < 0 || middle < 0 || middle > axis.length;
      return mark;
    });
    this.rowMarks.replaceChildren(...marks);
  }
}
