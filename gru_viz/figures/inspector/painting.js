// Plotly's heatmaps, painted from packed numbers: a map is painted once for as long as its numbers stay, and only the
// number that is hovered is unpacked. Axes, zoom and hover remain plotly's.

// Teach plotly's heatmap, which cannot be reached but through a plot, to paint the traces that have a `map`.
async function teachPainting(Plotly) {
  const sample = document.createElement("div");
  await Plotly.newPlot(sample, [{ type: "heatmap", z: [[0]] }], { width: 100, height: 100 });
  const heatmap = sample._fullData[0]._module;
  Plotly.purge(sample);
  if (heatmap.paintsMaps) return;
  const { calc, plot } = heatmap;
  heatmap.paintsMaps = true;
  heatmap.calc = (graph, trace) => {
    const found = calc(graph, trace);
    const { map } = trace._input;
    if (map) {
      found[0].z = lazyRows((row, column) => {
        const value = map.valueAt(row, column);
        return Number.isNaN(value) ? undefined : value;
      });
    }
    return found;
  };
  heatmap.plot = (graph, subplot, found, layer) => {
    if (!found.every(([{ trace }]) => trace._input.map)) return plot(graph, subplot, found, layer);
    const groups = layer.selectAll("g.hm").data(found, ([{ trace }]) => trace.uid);
    groups.exit().remove();
    groups.enter().append("g").attr("class", "hm");
    groups.order();
    const images = groups.selectAll("image").data((each) => each);
    images.enter().append("image").attr("preserveAspectRatio", "none").style("image-rendering", "pixelated");
    images.each(function ({ trace, x, y }) {
      placeMap(this, trace, subplot.xaxis, subplot.yaxis, x, y);
    });
    Object.assign(graph, { _hmpixcount: 1, _hmlumcount: 0.5 }); // the box of a zoom darkens what is outside of it
  };
}

// A map's picture, from its first edges to its last.
function placeMap(image, trace, xaxis, yaxis, x, y) {
  const { map } = trace._input;
  if (image.map !== map) {
    image.setAttribute("href", paint(map, trace));
    image.map = map;
  }
  const [left, right] = [x[0], x.at(-1)].map((edge) => xaxis.c2p(edge));
  const [top, bottom] = [y[0], y.at(-1)].map((edge) => yaxis.c2p(edge));
  const place = { x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, value] of Object.entries(place)) image.setAttribute(name, value);
}

// A map as the address of a picture that has a pixel for each number.
function paint({ bytes, rows, columns, low, high, rowAt }, { zmin, zmax, colorscale }) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const picture = context.createImageData(columns, rows);
  const pixels = new Uint32Array(picture.data.buffer);
  const colours = colourOfCodes(colorscale, (low - zmin) / (zmax - zmin), (high - zmin) / (zmax - zmin));
  for (let row = 0; row < rows; row++) {
    const start = (rowAt ? rowAt(row) : row) * columns;
    for (let i = 0; i < columns; i++) pixels[row * columns + i] = colours[codeAt(bytes, start + i)];
  }
  context.putImageData(picture, 0, 0);
  return canvas.toDataURL();
}

// The colour of each code, where the first and the last one stand at these shares of the scale.
function colourOfCodes(scale, first, last) {
  const stops = scale.map(([share, colour]) => ({ share, parts: [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)) }));
  const colours = new Uint8ClampedArray(4 * (NAN_CODE + 1)); // no colour is left for the code of no number
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

// What plotly is given in place of a map's numbers, of which it needs to know how many there are.
function outlineOf({ rows, columns }) {
  return Array.from({ length: rows }, (_, row) => new Float32Array(row ? 0 : columns));
}
