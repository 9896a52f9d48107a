// Everything that plotly does not document, in one place: sizes of axes, the layer under the pointer, and how a heatmap
// is painted. Tried with plotly.js 4.1.1; tests/browser/test_plotly_internals.py runs each function here.

/**
 * An axis as it is drawn, in pixels.
 * @typedef {object} DrawnAxis
 * @property {number[]} range
 * @property {number} offset from the plot's edge to the axis' beginning
 * @property {number} length
 * @property {function(number): number} pixelOf from a value to its distance from the axis' beginning
 */

/** @returns {DrawnAxis} */
function drawnAxis(axis) {
  return { range: axis.range, offset: axis._offset, length: axis._length, pixelOf: (value) => axis.r2p(value) };
}

/** @returns {?DrawnAxis} the horizontal axis; null before the first drawing */
export function horizontalAxis(plot) {
  const axis = plot._fullLayout?.xaxis;
  return axis ? drawnAxis(axis) : null;
}

/** @returns {DrawnAxis} a vertical axis by the name that a trace has for it, such as "y2" */
export function verticalAxis(plot, name) {
  return drawnAxis(plot._fullLayout[name.replace("y", "yaxis")]);
}

/** @returns {DrawnAxis[]} */
export function verticalAxes(plot) {
  return Object.values(plot._fullLayout).filter((axis) => axis?._id?.startsWith("y")).map(drawnAxis);
}

/** @returns {?{width: number, height: number, dragmode: string}} what is drawn now; null before the first drawing */
export function drawnLayout(plot) {
  return plot._fullLayout ?? null;
}

/** @returns {?Element} what catches the pointer within the first subplot */
export function pointerLayer(plot) {
  return plot.querySelector(".nsewdrag");
}

/** @returns {string} the subplot of a point under the pointer, as Plotly.Fx.hover wants it */
export function subplotOf(point) {
  return point ? `${point.xaxis._id}${point.yaxis._id}` : "xy";
}

/**
 * Let a heatmap whose trace has a `map` be painted by us, from packed numbers: a map is painted once for as long as its
 * numbers stay, and only the number under the pointer is unpacked. Axes, zoom and hover remain plotly's.
 *
 * The heatmap's module can only be reached through a plot.
 * @param {any} Plotly
 * @param {function(any): any} rowsOf from a map to its numbers, [row][column]
 * @param {function(SVGImageElement, any, object, object): void} place is given the image, the map, its trace and its box
 */
export async function replaceHeatmapPainting(Plotly, rowsOf, place) {
  const sample = document.createElement("div");
  await Plotly.newPlot(sample, [{ type: "heatmap", z: [[0]] }], { width: 100, height: 100 });
  const heatmap = sample._fullData[0]._module;
  Plotly.purge(sample);
  if (heatmap.paintsMaps) return;
  const { calc, plot } = heatmap;
  heatmap.paintsMaps = true;
  heatmap.calc = (graph, trace) => {
    const calculated = calc(graph, trace);
    const { map } = trace._input;
    if (map) calculated[0].z = rowsOf(map);
    return calculated;
  };
  heatmap.plot = (graph, subplot, calculated, layer) => {
    if (!calculated.every(([{ trace }]) => trace._input.map)) return plot(graph, subplot, calculated, layer);
    const groups = layer.selectAll("g.hm").data(calculated, ([{ trace }]) => trace.uid);
    groups.exit().remove();
    groups.enter().append("g").attr("class", "hm");
    groups.order();
    const images = groups.selectAll("image").data((each) => each);
    images.enter().append("image").attr("preserveAspectRatio", "none").style("image-rendering", "pixelated");
    images.each(function ({ trace, x, y }) {
      const [left, right] = [x[0], x.at(-1)].map((edge) => subplot.xaxis.c2p(edge));
      const [top, bottom] = [y[0], y.at(-1)].map((edge) => subplot.yaxis.c2p(edge));
      place(this, trace._input.map, trace, { x: left, y: top, width: right - left, height: bottom - top });
    });
    Object.assign(graph, { _hmpixcount: 1, _hmlumcount: 0.5 }); // the box of a zoom darkens what is outside of it
  };
}
