// What comes from Python, decoded; and the columns that are drawn of it. Nothing here touches the page.

const NAN_CODE = 4095;

function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const blobs = bytes.subarray(4 + length);
  const columns = header.columns;
  for (const panel of header.panels) {
    header.figure.data[panel.trace].z = panel.z = unpackHeatmap(blobs.subarray(panel.offset), panel);
    // The extremes are looked at one by one, on hover.
    const limits = panel.reach?.map((offset) => (i) => readHeatmap(blobs.subarray(offset), panel, i));
    panel.reachAt = limits ? (row, column) => limits.map((at) => at(row * panel.columns + column)) : () => null;
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
  return header;
}

// Two values in three bytes: enough for three decimals, at three eighths of float32.
function unpackHeatmap(bytes, panel) {
  const { rows, columns } = panel;
  return Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length: columns }, (_, column) => readHeatmap(bytes, panel, row * columns + column)),
  );
}

function readHeatmap(bytes, { low, high }, i) {
  const at = 3 * (i >> 1);
  const code = i & 1 ? ((bytes[at + 1] & 15) << 8) | bytes[at + 2] : (bytes[at] << 4) | (bytes[at + 1] >> 4);
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

// What is drawn between two steps: the columns of the view, and beside them, until finer ones have come, those of the
// whole sequence. Each column knows whose it is, and which one there.
function composeColumns(view, coarse, from, to) {
  const edges = [];
  const owners = [];
  const places = [];
  let end = 0;
  const take = (owner, low, high) => {
    if (high <= low) return;
    for (let i = columnOf(owner.edges, low); i < owner.edges.length - 1 && owner.edges[i] < high; i++) {
      edges.push(Math.max(owner.edges[i], low));
      owners.push(owner);
      places.push(i);
      end = Math.min(owner.edges[i + 1], high);
    }
  };
  const first = view.edges[0];
  const last = view.edges.at(-1);
  if (coarse && coarse !== view) {
    take(coarse, Math.max(from, 0), Math.min(first, to));
    take(view, Math.max(first, from), Math.min(last, to));
    take(coarse, Math.max(last, from), Math.min(to, coarse.edges.at(-1)));
  } else {
    take(view, first, last);
  }
  return { edges: [...edges, end], owners, places };
}

// The numbers of a heatmap for these columns. A row of the view stands for as many units as it says.
function composeRows(panel, index, columns) {
  return Array.from({ length: panel.rows }, (_, row) => {
    const values = new Float32Array(columns.owners.length);
    columns.owners.forEach((owner, i) => {
      const own = owner.panels[index];
      values[i] = own ? (own.z[rowIn(own, panel, row)]?.[columns.places[i]] ?? NaN) : NaN;
    });
    return values;
  });
}

function rowIn(own, panel, row) {
  return own === panel ? row : Math.floor((row * panel.grouped) / own.grouped);
}

// The numbers of a line for these columns; another view's line is the one of the same name.
function composeLine(view, curve, columns) {
  const nameIn = (owner, each) => {
    const name = owner.figure.data[each.trace].name;
    const alike = owner.curves.filter((other) => owner.figure.data[other.trace].name === name);
    return `${name}#${alike.indexOf(each)}`;
  };
  const wanted = nameIn(view, curve);
  const found = new Map([[view, curve]]);
  const lineOf = (owner) => {
    if (!found.has(owner)) found.set(owner, owner.curves.find((each) => nameIn(owner, each) === wanted));
    return found.get(owner);
  };
  const pick = (key) => columns.owners.map((owner, i) => lineOf(owner)?.[key][columns.places[i]] ?? NaN);
  return { y: pick("drawn"), customdata: pick("own") };
}

// As many labels as fit; characters are shown one by one or not at all, since every other letter reads as nonsense.
function tickLabels(view, from, to, width) {
  const { labels, edges } = view;
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

// Small numbers as they are; large ones in groups of three.
function counted(number) {
  return number < 10000 ? String(number) : number.toLocaleString("en-US");
}

// Rows of texts that are only made when one is looked at.
function lazyRows(textAt) {
  const lazy = (read) =>
    new Proxy([], { get: (target, key) => (typeof key === "string" && /^\d+$/.test(key) ? read(Number(key)) : target[key]) });
  return lazy((row) => lazy((column) => textAt(row, column)));
}
