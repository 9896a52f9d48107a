// The maps before plotly is there: it takes a second to load and draw, and they are what one came to see.

import { paint } from "./painting.js";

/**
 * Where plotly will draw a heatmap, in pixels of the plot, and where on its axis the picture begins and ends.
 * @param {object} trace with x0, dx and a map
 * @param {object} layout plotly's, with width, height, margin, the axis' range and the rows' domains
 * @returns {{left: number, top: number, width: number, height: number, from: number, to: number}}
 */
export function placeOf({ x0, dx, yaxis, map }, { width, height, margin, xaxis, ...axes }) {
  const [bottom, top] = axes[yaxis.replace("y", "yaxis")].domain;
  const inner = { width: width - margin.l - margin.r, height: height - margin.t - margin.b };
  const share = (x) => (x - xaxis.range[0]) / (xaxis.range[1] - xaxis.range[0]);
  return {
    left: margin.l,
    top: margin.t + (1 - top) * inner.height,
    width: inner.width,
    height: (top - bottom) * inner.height,
    from: share(x0 - dx / 2) * inner.width,
    to: share(x0 + (map.columns - 0.5) * dx) * inner.width,
  };
}

/**
 * @param {import("./view.js").View} view
 * @param {object} layout plotly's
 * @returns {HTMLElement} of the size of the plot, with its maps and their titles
 */
export function makePreview(view, layout) {
  const box = document.createElement("div");
  box.className = "gv-preview";
  box.style.height = `${layout.height}px`;
  for (const { trace: index } of view.panels) {
    const trace = view.figure.data[index];
    const { from, to, ...place } = placeOf(trace, layout);
    const frame = append(box, "div", place);
    const picture = append(frame, "img", { left: from, top: 0, width: to - from, height: place.height });
    Object.assign(picture, { src: paint(trace.map, trace), alt: "" });
    const title = append(box, "b", { left: place.left, top: place.top - TITLE_PIXELS });
    title.textContent = trace.name;
  }
  return box;
}

const TITLE_PIXELS = 22;

function append(parent, tag, place) {
  const element = document.createElement(tag);
  for (const [side, pixels] of Object.entries(place)) element.style[side] = `${pixels}px`;
  parent.append(element);
  return element;
}
