// What comes from Python, decoded, and what is drawn of it. Nothing here touches the page.

const NAN_CODE = 4095;

function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const blobs = bytes.subarray(4 + length);
  const columns = header.columns;
  for (const panel of header.panels) {
    header.figure.data[panel.trace].map = decodePanel(panel, blobs);
    header.figure.data[panel.trace].z = outlineOf(panel);
  }
  // A series is where its bytes begin, or, where it never changes, its one value in brackets.
  header.seriesAt = (offset) => {
    if (Array.isArray(offset)) return new Float32Array(columns).fill(offset[0]);
    const copy = blobs.slice(offset, offset + 4 * columns); // a copy starts at an aligned address
    return new Float32Array(copy.buffer);
  };
  for (const curve of header.curves) {
    const trace = header.figure.data[curve.trace];
    curve.drawn = trace.y = header.seriesAt(curve.y);
    curve.own = header.seriesAt(curve.original);
    trace.customdata = Array.from(curve.own);
    if (header.labels) trace.text = header.labels.map(escapeMarkup);
  }
  // The step at which each column begins, counted from 0, and the one after the last.
  header.edges ??= Array.from({ length: header.steps + 1 }, (_, i) => header.first - 1 + i);
  header.exact = !header.single; // every column is one step, with its formulas
  if (!header.exact) {
    const middles = header.edges.slice(1).map((edge, i) => (header.edges[i] + edge + 1) / 2);
    for (const { trace } of header.curves) header.figure.data[trace].x = middles;
  }
  return header;
}

// Numbers are looked at one by one, on hover.
function decodePanel(panel, blobs) {
  const numbers = (bytes) => (row, column) => readHeatmap(bytes, panel, row * panel.columns + column);
  const limits = panel.reach?.map((offset) => numbers(blobs.subarray(offset)));
  panel.bytes = blobs.subarray(panel.offset);
  panel.valueAt = numbers(panel.bytes);
  panel.reachAt = limits ? (row, column) => limits.map((at) => at(row, column)) : () => null;
  return panel;
}

// Two values in three bytes: enough for three decimals, at three eighths of float32.
function codeAt(bytes, i) {
  const at = 3 * (i >> 1);
  return i & 1 ? ((bytes[at + 1] & 15) << 8) | bytes[at + 2] : (bytes[at] << 4) | (bytes[at + 1] >> 4);
}

function unpackHeatmap({ rows, columns, valueAt }) {
  return Array.from({ length: rows }, (_, row) => Float32Array.from({ length: columns }, (_, column) => valueAt(row, column)));
}

function readHeatmap(bytes, { low, high }, i) {
  const code = codeAt(bytes, i);
  return code === NAN_CODE ? NaN : low + (code * (high - low)) / (NAN_CODE - 1);
}

// The last edge that is not after a step, counted from 0: the column that holds it.
function columnOf(edges, step) {
  let low = 0;
  let high = edges.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (edges[middle] <= step) low = middle;
    else high = middle - 1;
  }
  return low;
}

// Another view's maps and lines as a ground below a view's own: coarser, but there wherever one pans to. Where rows of
// the ground stand for more units than the view's, they are repeated. On top of it where the view is too small to see.
function groundFor(view, whole, onTop) {
  const shared = { hoverinfo: "skip", hovertemplate: null, showlegend: false, zorder: onTop ? 1 : -1 };
  const maps = view.panels.flatMap((panel, index) => {
    const own = whole.panels[index];
    if (!own) return [];
    const rowAt = (row) => Math.floor((row * panel.grouped) / own.grouped);
    const valueAt = (row, column) => own.valueAt(rowAt(row), column);
    const map = panel.grouped === own.grouped ? own : { ...own, rows: panel.rows, rowAt, valueAt };
    const { y, yaxis } = view.figure.data[panel.trace];
    return [{ ...whole.figure.data[own.trace], ...shared, map, z: outlineOf(map), y, yaxis }];
  });
  const lines = whole.curves.map(({ trace }) => ({ ...whole.figure.data[trace], ...shared, text: null }));
  return [...maps, ...lines];
}

// As many labels as fit; characters are shown one by one or not at all, since every other letter reads as nonsense.
function tickLabels({ labels, edges }, from, to, width) {
  const longest = labels.reduce((most, label) => Math.max(most, label.length), 1);
  const room = longest === 1 ? 7.5 : 8 * longest + 12;
  const first = columnOf(edges, from);
  const last = columnOf(edges, to);
  const stride = Math.max(1, Math.ceil(((last - first + 1) * room) / width));
  if (longest === 1 && stride > 1) return { "xaxis.tickmode": "auto" };
  const tickvals = [];
  const ticktext = [];
  for (let i = first; i <= last; i += stride) {
    tickvals.push(edges[i] + 1);
    ticktext.push(escapeMarkup(labels[i]));
  }
  return { "xaxis.tickmode": "array", "xaxis.tickvals": tickvals, "xaxis.ticktext": ticktext };
}

// Plotly reads a few tags in its texts; a label from a file must stay a label.
function escapeMarkup(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

// In groups of three digits.
function counted(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

// Rows of texts that are only made when one is looked at.
function lazyRows(textAt) {
  const lazy = (read) =>
    new Proxy([], { get: (target, key) => (typeof key === "string" && /^\d+$/.test(key) ? read(Number(key)) : target[key]) });
  return lazy((row) => lazy((column) => textAt(row, column)));
}
