// A running training: a strip of lanes, and plotly figures that are changed in place.
//
// Python sends one block of bytes: the length of a JSON header, the header, then the arrays it points to. What was
// drawn from the same numbers is left alone; a zoom belongs to the user; while a pointer is down nothing is redrawn.

const KINDS = { u1: Uint8Array, u2: Uint16Array, f4: Float32Array, f8: Float64Array };
const SIGNS = {
  circle: "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0Z",
  square: "M-4,-4H4V4H-4Z",
  diamond: "M0,-5.5L5.5,0L0,5.5L-5.5,0Z",
  "triangle-up": "M0,-5.5L5.5,4H-5.5Z",
  "triangle-down": "M0,5.5L5.5,-4H-5.5Z",
  star: "M0,-6L1.5,-2H6L2.4,0.8L3.7,5L0,2.4L-3.7,5L-2.4,0.8L-6,-2H-1.5Z",
};

const instances = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let live = instances.get(parentElement);
  if (!live) {
    live = new Live(parentElement.querySelector(".gv-live"));
    instances.set(parentElement, live);
  }
  live.report = (picked) => setTriggerValue("picked", picked);
  live.show(data);
  return () => {
    if (parentElement.isConnected) return; // a later call, with newer data, has taken over while this module loaded
    live.dispose();
    instances.delete(parentElement);
  };
}

function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const start = 4 + length;
  header.revive = (value) => revive(value, bytes, start);
  return header;
}

// Arrays stand in the header as {array: {at, count, kind, columns}}.
function revive(value, bytes, start) {
  if (Array.isArray(value)) return value.map((each) => revive(each, bytes, start));
  if (value === null || typeof value !== "object") return value;
  if (!value.array) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, revive(each, bytes, start)]));
  }
  const { at, count, kind, columns } = value.array;
  const Kind = KINDS[kind];
  const from = start + at;
  const copy = bytes.slice(from, from + count * Kind.BYTES_PER_ELEMENT); // a copy starts at an aligned address
  const array = new Kind(copy.buffer);
  if (!columns) return array;
  return Array.from({ length: count / columns }, (_, row) => array.subarray(row * columns, (row + 1) * columns));
}

let plotlyLoading;
function loadPlotly() {
  plotlyLoading ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    const script = document.createElement("script");
    script.src = new URL("app/static/plotly.min.js", document.baseURI).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly.min.js could not be loaded; reload the page"));
    document.head.append(script);
  });
  return plotlyLoading;
}

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

// Text is written only where it changed, so that a reader of the screen and the layout are left in peace.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function swatch({ colour, dash, symbol }) {
  const make = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const dashes = dash === "solid" ? "" : dash.replace(/px/g, "");
  const svg = make("svg", { width: 36, height: 14, viewBox: "-18 -7 36 14", "aria-hidden": "true" });
  svg.append(
    make("line", { x1: -18, x2: 18, y1: 0, y2: 0, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dashes }),
    make("path", { d: SIGNS[symbol], fill: colour }),
  );
  return svg;
}

class Live {
  constructor(root) {
    this.root = root;
    this.strip = root.querySelector(".gv-strip");
    this.table = this.strip.querySelector("table");
    this.grid = root.querySelector(".gv-figures");
    this.status = root.querySelector(".gv-live-status");
    this.charts = new Map();
    this.resizing = new ResizeObserver((entries) => this.onResize(entries));
    this.rows = [];
    root.addEventListener("transitionend", (event) => event.target === root && this.repaint());
    this.release = () => this.onRelease();
    window.addEventListener("pointerup", this.release);
    window.addEventListener("pointercancel", this.release);
  }

  dispose() {
    this.resizing.disconnect();
    window.removeEventListener("pointerup", this.release);
    window.removeEventListener("pointercancel", this.release);
    this.disposed = true;
    for (const chart of this.charts.values()) this.purge(chart);
  }

  // Not while plotly still draws it: its last steps would look for what is gone.
  purge({ plot, drawing }) {
    Promise.resolve(drawing).finally(() => window.Plotly?.purge(plot));
  }

  async show(bytes) {
    if (this.bytes && sameBytes(this.bytes, bytes)) return;
    this.bytes = bytes;
    const view = decode(bytes);
    this.showLanes(view);
    this.placeCharts(view);
    try {
      await loadPlotly();
    } catch (error) {
      write(this.status, error.message);
      this.status.hidden = false;
      return;
    }
    if (this.bytes !== bytes) return; // newer ones came while plotly was loading
    this.view = view;
    this.status.hidden = true;
    if (this.held) return; // drawn when the pointer is up again
    await this.drawAll();
  }

  // --- the strip ---

  showLanes({ lanes, columns }) {
    this.strip.hidden = !lanes.length;
    const wanted = JSON.stringify([columns, lanes.map(({ name, colour }) => [name, colour])]);
    if (wanted !== this.laidOut) {
      this.laidOut = wanted;
      this.layOutLanes(lanes, columns);
    }
    lanes.forEach((lane, i) => {
      const row = this.rows[i];
      write(row.detail, lane.detail);
      row.detail.title = lane.detail;
      const share = lane.planned ? Math.min(1, lane.update / lane.planned) : 0;
      row.fill.style.transform = `scaleX(${share})`;
      row.bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
      write(row.progress, lane.progress);
      lane.cells.forEach((words, k) => write(row.cells[k], words));
      write(row.message, lane.message);
      row.line.hidden = !lane.message;
    });
  }

  layOutLanes(lanes, columns) {
    const shown = columns.map((_, k) => k !== 5 || columns[5]);
    const names = ["gv-lane", "gv-progress", "gv-lesser", "", "", "", "gv-lesser"];
    const heads = columns.map((title, k) => {
      const cell = el("th", names[k] ?? "", title);
      cell.scope = "col";
      return cell;
    });
    const head = el("thead", "", el("tr", "", ...heads.filter((_, k) => shown[k])));
    this.rows = [];
    const body = el("tbody");
    for (const lane of lanes) {
      const row = { detail: el("div", "gv-lane-detail"), fill: el("div"), progress: el("div", "gv-progress-words") };
      row.bar = el("div", "gv-bar", row.fill);
      for (const [key, value] of [["role", "progressbar"], ["aria-valuemin", "0"], ["aria-valuemax", "100"]]) {
        row.bar.setAttribute(key, value);
      }
      row.bar.setAttribute("aria-label", `Progress of ${lane.name}`);
      row.fill.style.background = lane.colour;
      row.cells = lane.cells.map((_, k) => el("td", names[k + 2]));
      row.message = el("td", "gv-message");
      row.message.colSpan = heads.length;
      const name = el("th", "gv-lane", el("div", "", el("div", "gv-lane-name", swatch(lane), lane.name), row.detail));
      name.scope = "row";
      const cells = row.cells.filter((_, k) => shown[k + 2]);
      row.line = el("tr", "", row.message);
      body.append(el("tr", "gv-row", name, el("td", "gv-progress", el("div", "", row.bar, row.progress)), ...cells), row.line);
      this.rows.push(row);
    }
    this.table.replaceChildren(head, body);
  }

  // --- the figures ---

  placeCharts({ figures }) {
    for (const [key, chart] of this.charts) {
      if (figures.some((figure) => figure.key === key)) continue;
      this.resizing.unobserve(chart.plot);
      this.purge(chart);
      chart.box.remove();
      this.charts.delete(key);
    }
    figures.forEach((figure, i) => {
      const chart = this.charts.get(figure.key) ?? this.makeChart(figure.key);
      chart.box.classList.toggle("gv-wide", figure.wide);
      chart.plot.style.minHeight = `${figure.height}px`;
      write(chart.title, figure.title);
      write(chart.caption, figure.caption);
      if (chart.plot.getAttribute("aria-label") !== figure.summary) chart.plot.setAttribute("aria-label", figure.summary);
      if (this.grid.children[i] !== chart.box) this.grid.insertBefore(chart.box, this.grid.children[i] ?? null);
    });
  }

  makeChart(key) {
    const title = el("h2", "gv-figure-title");
    const caption = el("p", "gv-caption");
    const plot = el("div", "gv-chart");
    plot.setAttribute("role", "img");
    const box = el("section", "gv-figure", title, caption, plot);
    box.dataset.figure = key;
    const chart = { key, box, title, caption, plot };
    plot.addEventListener("pointerdown", () => (this.held = true));
    this.charts.set(key, chart);
    this.resizing.observe(plot);
    return chart;
  }

  async drawAll() {
    for (const figure of this.view.figures) {
      const chart = this.charts.get(figure.key); // it may have gone while another was drawn
      if (chart) await this.draw(chart, figure);
    }
    this.root.dataset.drawn = this.view.figures.map(({ drawn }) => drawn).join(" ");
  }

  async draw(chart, figure) {
    const width = chart.plot.clientWidth;
    if (this.disposed || !width || (chart.drawn === figure.drawn && chart.width === width && !chart.stale)) return;
    const first = !chart.drawn;
    Object.assign(chart, { drawn: figure.drawn, width, stale: false });
    const style = getComputedStyle(this.root);
    const paper = style.getPropertyValue("--st-background-color").trim() || this.view.paper;
    const tints = { [this.view.ink]: style.color, [this.view.paper]: paper };
    const data = tinted(this.view.revive(figure.data), tints);
    const layout = tinted(structuredClone(figure.layout), tints);
    Object.assign(layout, { width, height: figure.height });
    const config = { displayModeBar: false, responsive: false, doubleClick: "autosize" };
    const drawn = window.Plotly.react(chart.plot, data, layout, config);
    chart.drawing = Promise.allSettled([chart.drawing, drawn]);
    await drawn;
    if (this.disposed) return;
    chart.box.classList.toggle("gv-pick", data.some((trace) => trace.customdata));
    if (first) this.listen(chart);
    else if (chart.pointer) window.Plotly.Fx.hover(chart.plot, chart.pointer.at, chart.pointer.subplot);
  }

  listen(chart) {
    const { plot } = chart;
    plot.on("plotly_hover", ({ event, points }) => {
      const box = plot.querySelector(".nsewdrag")?.getBoundingClientRect();
      if (!event || !box) return;
      const { clientX, clientY } = event;
      if (clientX === undefined) return;
      const axes = points[0] ? `${points[0].xaxis._id}${points[0].yaxis._id}` : "xy";
      chart.pointer = { at: { clientX, clientY, target: event.target }, subplot: axes };
    });
    plot.addEventListener("mouseleave", () => (chart.pointer = null));
    plot.on("plotly_click", ({ points }) => {
      const picked = points.map(({ customdata }) => customdata).find((each) => each !== undefined && each !== null);
      if (picked !== undefined) this.report(picked);
    });
  }

  onRelease() {
    if (!this.held) return;
    this.held = false;
    setTimeout(() => this.view && !this.held && this.drawAll(), 0);
  }

  onResize(entries) {
    if (!this.view || this.held) return;
    if (entries.some(({ target }) => target.clientWidth)) this.drawAll();
  }

  // The theme has changed: what is drawn in the colour of the text is drawn again.
  repaint() {
    for (const chart of this.charts.values()) chart.stale = true;
    if (this.view) this.drawAll();
  }
}

// The colours of text and page, in place of the two that stand for them.
function tinted(value, tints) {
  if (typeof value === "string") return tints[value] ?? value;
  if (Array.isArray(value)) return value.map((each) => tinted(each, tints));
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  for (const key of Object.keys(value)) value[key] = tinted(value[key], tints);
  return value;
}

function sameBytes(a, b) {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
