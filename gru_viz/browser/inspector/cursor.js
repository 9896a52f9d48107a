// The step and the unit that the user has chosen, and how keys move them. Steps are counted from 1.

import { columnOf } from "./columns.js";

/** @typedef {{step: ?number, unit: ?number}} Cursor both null before the first view */

/**
 * Where the cursor is in a new view: as it was, if the view has that; else where the view begins.
 * @param {Cursor} cursor
 * @param {import("./view.js").View} view
 * @param {import("./viewport.js").Viewport} viewport
 * @returns {{step: number, unit: number}}
 */
export function cursorInView(cursor, view, viewport) {
  const [from, to] = viewport.range;
  const { first, last, long } = viewport;
  const chosen = cursor.step ?? (view.start || from + Math.floor((to - from) / 3));
  let step = Math.min(Math.max(chosen, first), last);
  if (long && (step < from || step > to)) step = Math.round((from + to) / 2); // the zoom has left it out
  const known = view.units.includes(cursor.unit) && hasFormulas(view, cursor.unit);
  return { step, unit: known ? cursor.unit : Math.min(view.unit, view.units.length - 1) };
}

/** Whether the view has the numbers of a unit's formulas. */
export function hasFormulas(view, unit) {
  return view.formulas.every(({ units }) => units[unit]);
}

/** So many steps on, or columns where they have many steps. */
export function stepAfter(view, step, count) {
  if (view.exact) return step + count;
  const { edges } = view;
  const column = columnOf(edges, step - 1);
  const beyond = column + count > edges.length - 2 ? edges.at(-1) : edges[0] - 1;
  return (edges[column + count] ?? beyond) + 1;
}

/** The unit so many rows below; undefined beyond the first and the last. */
export function unitBelow(view, unit, rows) {
  const grouped = view.panels.find((panel) => panel.units)?.grouped ?? 1;
  return view.units[view.units.indexOf(unit) + rows * grouped];
}

/**
 * What a key asks for.
 * @param {string} key
 * @param {import("./view.js").View} view
 * @param {{step: number, unit: number}} cursor
 * @param {number[]} range first and last step that Home and End go to
 * @returns {?{step?: number, unit?: number, zoom?: number, all?: boolean, single?: boolean, play?: boolean}}
 */
export function actionOfKey(key, view, cursor, [from, to]) {
  const leap = Math.max(2, Math.round((to - from + 1) / 10));
  switch (key) {
    case "ArrowLeft": return { step: stepAfter(view, cursor.step, -1) };
    case "ArrowRight": return { step: stepAfter(view, cursor.step, 1) };
    case "PageDown": return { step: cursor.step - leap };
    case "PageUp": return { step: cursor.step + leap };
    case "Home": return { step: from };
    case "End": return { step: to };
    case "ArrowUp": return { unit: unitBelow(view, cursor.unit, -1) };
    case "ArrowDown": return { unit: unitBelow(view, cursor.unit, 1) };
    case "+": return { zoom: 1 / 4 };
    case "-": return { zoom: 4 };
    case "0": return { all: true };
    case "Enter": return view.exact ? null : { single: true };
    case " ": return { play: true };
    default: return null;
  }
}
