// Draws a plot, and returns what each function of plotly_internals.js says of it.
async () => {
  const internals = await import(document.getElementById("internals").textContent);
  const plot = document.getElementById("plot");
  const before = [internals.horizontalAxis(plot), internals.drawnLayout(plot)];
  const placed = [];
  const place = (image, map, trace, box) => placed.push([image.tagName, map.name, trace.zmin, trace.colorscale.length, box]);
  await internals.replaceHeatmapPainting(Plotly, (map) => map.rows, place);
  await internals.replaceHeatmapPainting(Plotly, (map) => map.rows, place); // the second time changes nothing
  const rows = [[0, 0.5, 1], [1, 0.25, 0]];
  const scale = [[0, "#000000"], [1, "#ffffff"]];
  const map = { type: "heatmap", z: [[0, 0, 0], [0, 0, 0]], x0: 1, dx: 1, zmin: 0, zmax: 1, colorscale: scale, showscale: false,
    map: { name: "ours", rows } };
  const line = { type: "scatter", x: [1, 2, 3], y: [0, 1, 2], yaxis: "y2" };
  const layout = { width: 500, height: 400, margin: { l: 50, r: 50, t: 40, b: 60 }, dragmode: "pan",
    xaxis: { range: [0.5, 3.5] }, yaxis: { domain: [0, 0.5], autorange: "reversed" }, yaxis2: { domain: [0.5, 1], range: [0, 2] } };
  await Plotly.newPlot(plot, [map, line], layout, { displayModeBar: false });
  const numbers = ({ range, offset, length, pixelOf }, ...values) => ({ range, offset, length, pixels: values.map(pixelOf) });
  const { width, height, dragmode } = internals.drawnLayout(plot);
  const layer = internals.pointerLayer(plot);
  window.hovered = new Promise((resolve) => plot.on("plotly_hover", ({ points }) =>
    resolve({ subplot: internals.subplotOf(points[0]), z: points[0].z })));
  return {
    before, placed, layout: [width, height, dragmode], layer: layer.getBoundingClientRect().toJSON(),
    x: numbers(internals.horizontalAxis(plot), 0.5, 2, 3.5), y2: numbers(internals.verticalAxis(plot, "y2"), 0, 2),
    all: internals.verticalAxes(plot).map((axis) => axis.offset), none: internals.subplotOf(undefined),
    painted: plot.querySelectorAll(".heatmaplayer .hm image").length,
  };
}
