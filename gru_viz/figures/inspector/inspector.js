// The gate inspector: plotly heatmaps on one axis of steps, with a cursor that never leaves the browser.
//
// Python sends one block of bytes: the length of a JSON header, the header, then 12-bit heatmaps and float32 series.
// Python hears from us only when the cursor has come to rest.

const NAN_CODE = 4095;
const REST_MS = 350;
const ROOMY = 900; // pixels of width from which titles carry their meaning

const instances = new WeakMap();

// Where the cursor stands and what is zoomed into outlive an instance: the page may take the instrument away and put
// it back, as it does when another page is visited.
const memory = (globalThis.gruVizInspector ??= { cursor: { step: null, unit: null }, zoom: null });

export default function ({ data, parentElement, setStateValue }) {
  let inspector = instances.get(parentElement);
  if (!inspector) {
    inspector = new Inspector(parentElement.querySelector(".gv-inspector"));
    instances.set(parentElement, inspector);
  }
  inspector.report = (cursor) => setStateValue("cursor", cursor);
  inspector.show(data);
  return () => {
    inspector.dispose();
    instances.delete(parentElement);
  };
}

function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const blobs = bytes.subarray(4 + length);
  for (const panel of header.panels) {
    header.figure.data[panel.trace].z = unpackHeatmap(blobs.subarray(panel.offset), panel);
  }
  // A series is where its bytes begin, or, where it never changes, its one value in brackets.
  header.seriesAt = (offset) => {
    if (Array.isArray(offset)) return new Float32Array(header.steps).fill(offset[0]);
    const copy = blobs.slice(offset, offset + 4 * header.steps); // a copy starts at an aligned address
    return new Float32Array(copy.buffer);
  };
  header.curves.forEach(({ y, original }, i) => {
    const trace = header.figure.data[i];
    trace.y = header.seriesAt(y);
    trace.customdata = Array.from(header.seriesAt(original));
    if (header.labels) trace.text = header.labels.map(escapeMarkup);
  });
  return header;
}

// As many labels as fit; characters are shown one by one or not at all, since every other letter reads as nonsense.
function tickLabels(labels, from, to, first, width) {
  const longest = Math.max(...labels.map((label) => label.length), 1);
  const room = longest === 1 ? 7.5 : 8 * longest + 12;
  const stride = Math.max(1, Math.ceil(((to - from + 1) * room) / width));
  if (longest === 1 && stride > 1) return { "xaxis.tickmode": "auto" };
  const tickvals = [];
  for (let step = from; step <= to; step += stride) tickvals.push(step);
  const ticktext = tickvals.map((step) => escapeMarkup(labels[step - first]));
  return { "xaxis.tickmode": "array", "xaxis.tickvals": tickvals, "xaxis.ticktext": ticktext };
}

// Plotly reads a few tags in its texts; a label from a file must stay a label.
function escapeMarkup(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

// Two values in three bytes: enough for three decimals, at three eighths of float32.
function unpackHeatmap(bytes, { rows, columns, low, high }) {
  const step = (high - low) / (NAN_CODE - 1);
  const value = (code) => (code === NAN_CODE ? NaN : low + code * step);
  const codeAt = (i) => {
    const at = 3 * (i >> 1);
    return i & 1 ? ((bytes[at + 1] & 15) << 8) | bytes[at + 2] : (bytes[at] << 4) | (bytes[at + 1] >> 4);
  };
  return Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length: columns }, (_, column) => value(codeAt(row * columns + column))),
  );
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

class Inspector {
  constructor(root) {
    this.root = root;
    const find = (name) => root.querySelector(`.gv-${name}`);
    Object.assign(this, {
      maps: find("maps"), plot: find("plot"), cursorElement: find("cursor"), rowMarks: find("row-marks"),
      slider: find("slider"), position: find("position"), play: find("play"), speed: find("speed"),
      unitBox: find("unit"), formulas: find("formulas"), status: find("status"),
    });
    this.cursor = memory.cursor;
    this.listen();
  }

  listen() {
    const go = (step) => this.moveTo(step);
    this.slider.addEventListener("input", () => go(Number(this.slider.value)));
    this.root.querySelector(".gv-back").addEventListener("click", () => go(this.cursor.step - 1));
    this.root.querySelector(".gv-forward").addEventListener("click", () => go(this.cursor.step + 1));
    this.play.addEventListener("click", () => this.togglePlay());
    this.unitBox.addEventListener("change", () => this.chooseUnit(Number(this.unitBox.value)));
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.resizing = new ResizeObserver(() => this.onResize());
    this.resizing.observe(this.maps);
  }

  dispose() {
    this.stopPlay();
    clearTimeout(this.resting);
    this.resizing.disconnect();
    if (window.Plotly) window.Plotly.purge(this.plot);
  }

  async show(bytes) {
    const view = decode(bytes);
    this.view = view;
    this.last = view.first + view.steps - 1;
    this.slider.min = view.first;
    this.slider.max = this.last;
    const wanted = this.cursor.step ?? view.start;
    const known = view.formulas.every(({ units }) => units[this.cursor.unit]);
    const unit = known ? this.cursor.unit : Math.min(view.unit, view.units.length - 1);
    Object.assign(this.cursor, { step: Math.min(Math.max(wanted, view.first), this.last), unit });
    this.fillUnits();
    this.layOutFormulas();
    this.update();
    if (this.picture !== view.picture) {
      try {
        await this.draw(await loadPlotly());
      } catch (error) {
        this.status.textContent = error.message;
        this.status.hidden = false;
        return;
      }
      this.picture = view.picture;
    }
    this.place();
    this.root.dataset.ready = view.picture;
  }

  async draw(Plotly) {
    const { figure } = this.view;
    const roomy = this.maps.clientWidth >= ROOMY;
    this.roomy = roomy;
    const layout = structuredClone(figure.layout);
    if (!roomy) for (const note of layout.annotations) note.text = note.text.replace(/<i>.*<\/i>/, "");
    layout.height = this.heightFor(figure.layout.height);
    layout.uirevision = `${this.view.first}:${this.view.steps}`;
    layout.width = this.maps.clientWidth;
    const first = !this.plot.data;
    // Plotly's own memory of a zoom does not hold for an axis that is given a range.
    if (memory.zoom?.of === layout.uirevision) layout.xaxis.range = [...memory.zoom.range];
    const save = (format, icon) => ({
      name: `Save as ${format.toUpperCase()}`,
      icon,
      click: (plot) => this.saveImage(Plotly, plot, format),
    });
    await Plotly.react(this.plot, figure.data, layout, {
      displaylogo: false,
      responsive: false,
      displayModeBar: true,
      showTips: false,
      doubleClick: false, // ours: plotly would go back to the range of the first sequence it drew
      modeBarButtons: [
        [save("png", Plotly.Icons.camera), save("svg", Plotly.Icons.disk)],
        ["zoomIn2d", "zoomOut2d", { name: "Show all steps", icon: Plotly.Icons.home, click: () => this.showAll(Plotly) }],
      ],
    });
    this.status.hidden = true;
    this.tickedRange = null;
    this.onZoom(Plotly);
    if (first) {
      this.plot.on("plotly_relayout", () => this.onZoom(Plotly));
      this.plot.on("plotly_doubleclick", () => this.showAll(Plotly));
      this.plot.on("plotly_click", ({ points }) => this.onClick(points[0]));
    }
  }

  showAll(Plotly) {
    const { figure } = this.view;
    const rows = Object.keys(figure.layout).filter((key) => figure.layout[key]?.autorange === "reversed");
    const full = Object.fromEntries(rows.map((key) => [`${key}.autorange`, "reversed"]));
    Plotly.relayout(this.plot, { "xaxis.range": [...figure.layout.xaxis.range], ...full });
  }

  // Taller where the screen has room, so that the instrument fills a projector; never shorter than drawn.
  heightFor(base) {
    const room = window.innerHeight - this.maps.getBoundingClientRect().top - window.scrollY - 250;
    return Math.round(Math.min(Math.max(base, room), 1.5 * base));
  }

  saveImage(Plotly, plot, format) {
    const { width, height } = plot._fullLayout;
    // A picture cannot carry the page's web font along, and measures as it is drawn only in one that is everywhere.
    const font = { ...plot.layout.font, family: "Arial, 'DejaVu Sans', sans-serif", color: "#1b1f24" };
    const layout = { ...plot.layout, font, paper_bgcolor: "#ffffff" };
    Plotly.downloadImage({ data: plot.data, layout }, { format, width, height, scale: 2, filename: this.view.filename });
  }

  onResize() {
    if (!this.plot.data || !this.maps.clientWidth || this.maps.clientWidth === this.plot._fullLayout.width) return;
    if (this.roomy === this.maps.clientWidth >= ROOMY) {
      window.Plotly.relayout(this.plot, { width: this.maps.clientWidth });
    } else {
      this.draw(window.Plotly).then(() => this.place());
    }
  }

  // Labelled steps are thinned out to what fits the visible range.
  onZoom(Plotly) {
    const { labels, first } = this.view;
    const axis = this.plot._fullLayout.xaxis;
    const range = axis.range.join();
    memory.zoom = { of: this.plot.layout.uirevision, range: axis.range };
    if (labels && range !== this.tickedRange) {
      this.tickedRange = range;
      const from = Math.max(first, Math.ceil(axis.range[0]));
      const to = Math.min(this.last, Math.floor(axis.range[1]));
      Plotly.relayout(this.plot, tickLabels(labels, from, to, first, axis._length));
    }
    this.place();
  }

  onClick(point) {
    if (!point) return;
    this.moveTo(Math.round(point.x));
    const panel = this.view.panels.find((each) => each.trace === point.curveNumber);
    if (panel?.units) this.chooseUnit(this.view.units[point.pointIndex?.[0] ?? point.pointNumber[0]]);
  }

  onKey(event) {
    if (event.target === this.unitBox || event.target === this.speed || event.ctrlKey || event.metaKey || event.altKey) return;
    const leap = Math.max(2, Math.round(this.view.steps / 10));
    const { step } = this.cursor;
    const row = this.view.units.indexOf(this.cursor.unit);
    const actions = {
      ArrowLeft: () => this.moveTo(step - 1),
      ArrowRight: () => this.moveTo(step + 1),
      PageDown: () => this.moveTo(step - leap),
      PageUp: () => this.moveTo(step + leap),
      Home: () => this.moveTo(this.view.first),
      End: () => this.moveTo(this.last),
      ArrowUp: () => this.chooseUnit(this.view.units[row - 1]),
      ArrowDown: () => this.chooseUnit(this.view.units[row + 1]),
    };
    if (event.key === " " && event.target.tagName !== "BUTTON") actions[" "] = () => this.togglePlay();
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  moveTo(step) {
    const within = Math.min(Math.max(step, this.view.first), this.last);
    if (within === this.cursor.step) return;
    this.cursor.step = within;
    this.update();
    this.placeCursor();
    this.restSoon();
  }

  chooseUnit(unit) {
    if (unit === undefined || unit === this.cursor.unit) return;
    this.cursor.unit = unit;
    this.unitBox.value = unit;
    this.placeRowMarks();
    if (this.view.formulas.every(({ units }) => units[unit])) {
      this.layOutFormulas();
      this.update();
      this.restSoon();
    } else {
      this.formulas.classList.add("gv-waiting"); // until Python has sent this unit's terms
      this.restSoon(60);
    }
  }

  restSoon(delay = REST_MS) {
    clearTimeout(this.resting);
    if (this.playing) return;
    this.resting = setTimeout(() => this.report({ ...this.cursor }), delay);
  }

  togglePlay() {
    if (this.playing) {
      this.stopPlay();
      this.restSoon();
      return;
    }
    if (this.cursor.step >= this.last) this.moveTo(this.view.first);
    let then = performance.now();
    const tick = (now) => {
      const due = Math.floor(((now - then) * Number(this.speed.value)) / 1000);
      if (due > 0) {
        then += (due * 1000) / Number(this.speed.value);
        this.moveTo(this.cursor.step + due);
      }
      if (this.cursor.step >= this.last) {
        this.stopPlay();
        this.restSoon();
      } else {
        this.playing = requestAnimationFrame(tick);
      }
    };
    this.playing = requestAnimationFrame(tick);
    this.labelPlay();
  }

  stopPlay() {
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.labelPlay();
  }

  labelPlay() {
    this.play.textContent = this.playing ? "❚❚ Pause" : "► Play";
    this.play.setAttribute("aria-pressed", String(Boolean(this.playing)));
  }

  // Everything that follows the cursor but the line itself.
  update() {
    const { view } = this;
    const { step } = this.cursor;
    const label = view.labels?.[step - view.first];
    const words = `step ${step} of ${view.total}${label === undefined ? "" : ` · ${label}`}`;
    this.slider.value = step;
    this.slider.setAttribute("aria-valuetext", words);
    this.position.textContent = words;
    this.root.dataset.step = step;
    for (const { node, series, added, factor } of this.numbers) {
      writeNumber(node, series[step - view.first], added, factor);
    }
    for (const { node, words } of this.words) node.textContent = words[step - view.first];
  }

  fillUnits() {
    const wanted = this.view.units.join();
    if (this.unitsShown !== wanted) {
      this.unitsShown = wanted;
      const sorted = [...this.view.units].sort((a, b) => a - b);
      this.unitBox.replaceChildren(...sorted.map((unit) => new Option(`unit ${unit + 1}`, unit)));
    }
    this.unitBox.value = this.cursor.unit;
  }

  layOutFormulas() {
    this.numbers = [];
    this.words = [];
    const { formulas, seriesAt } = this.view;
    const number = (offset, added, factor) => {
      const node = el("span", added ? "gv-number gv-added" : "gv-number");
      this.numbers.push({ node, series: seriesAt(offset), added, factor });
      return node;
    };
    const blocks = formulas.map(({ title, readings, lines, units }) => {
      const series = units[this.cursor.unit];
      const block = el("div", "gv-formula");
      if (title) block.append(el("div", "gv-formula-title", title));
      const shown = readings.map(({ symbol, name, words, drawn, original }) => {
        const reading = el("span", "gv-reading", el("i", "", ...withSubscripts(symbol)), name ? ` ${name} = ` : " = ");
        if (words) {
          const node = el("span", "gv-words");
          this.words.push({ node, words });
          reading.append(node);
        } else {
          reading.append(number(drawn));
        }
        if (original !== null) reading.append(" (", number(original), ")");
        return reading;
      });
      shown.push(el("span", "gv-reading", el("i", "", "h₋"), " = ", number(series["previous.hidden"])));
      block.append(el("div", "gv-readings", ...shown));
      for (const line of lines) {
        const symbols = line.tokens.flatMap((token) =>
          typeof token === "string" ? [token] : [token.added ? " + " : "", el("i", "", ...withSubscripts(token.symbol))],
        );
        const numbers = line.tokens.map((token, i) => {
          if (typeof token === "string") return token;
          const factor = typeof line.tokens[i - 1] === "string" && line.tokens[i - 1].endsWith("·");
          return number(series[token.series], token.added, factor);
        });
        const row = el(
          "div",
          "gv-line",
          el("span", "gv-name", line.name),
          el("span", "gv-left", el("i", "", line.symbol), " ="),
          el("span", "gv-symbols", ...symbols),
          el("span", "gv-numbers", "= ", ...numbers, " = ", el("b", "gv-result", number(series[line.quantity]))),
        );
        row.dataset.quantity = line.quantity;
        block.append(row);
      }
      return block;
    });
    this.formulas.replaceChildren(...blocks);
    this.formulas.classList.remove("gv-waiting");
  }

  place() {
    if (!this.plot._fullLayout) return;
    const { xaxis, margin } = this.plot._fullLayout;
    const rows = Object.values(this.plot._fullLayout).filter((axis) => axis?._id?.startsWith("y"));
    const top = Math.min(...rows.map((axis) => axis._offset));
    const bottom = Math.max(...rows.map((axis) => axis._offset + axis._length));
    const column = xaxis.d2p(this.view.first + 1) - xaxis.d2p(this.view.first);
    const width = column < 6 ? 2 : column; // a frame around the column where it has room for one, else a line
    this.cursorElement.classList.toggle("gv-line-only", column < 6);
    Object.assign(this.cursorElement.style, { top: `${top}px`, height: `${bottom - top}px`, width: `${width}px` });
    this.cursorWidth = width;
    this.margin = margin;
    this.placeCursor();
    this.placeRowMarks();
  }

  placeCursor() {
    const axis = this.plot._fullLayout?.xaxis;
    if (!axis || !this.cursorWidth) return;
    const centre = axis.d2p(this.cursor.step);
    const inside = centre >= -0.5 && centre <= axis._length + 0.5;
    this.cursorElement.style.transform = `translateX(${axis._offset + centre - this.cursorWidth / 2}px)`;
    this.cursorElement.hidden = !inside;
  }

  placeRowMarks() {
    const layout = this.plot._fullLayout;
    if (!layout) return;
    const row = this.view.units.indexOf(this.cursor.unit);
    const marks = this.view.panels.filter((panel) => panel.units).map((panel) => {
      const axis = layout[this.view.figure.data[panel.trace].yaxis.replace("y", "yaxis")];
      const height = Math.abs(axis.r2p(1) - axis.r2p(0));
      const middle = axis.r2p(row);
      const mark = el("div", "gv-row-mark");
      Object.assign(mark.style, {
        top: `${axis._offset + middle - height / 2}px`,
        height: `${height}px`,
        left: `${layout.xaxis._offset}px`,
        width: `${layout.xaxis._length}px`,
      });
      mark.hidden = row < 0 || middle < 0 || middle > axis._length;
      return mark;
    });
    this.rowMarks.replaceChildren(...marks);
  }
}

function writeNumber(node, value, added, factor) {
  const size = Math.abs(value);
  let digits = String(size);
  if (Number.isFinite(size)) digits = size >= 1e5 ? size.toExponential(2) : size.toFixed(size >= 100 ? 1 : 3);
  const negative = value < 0 && Number(digits) !== 0;
  const sign = negative ? "−" : added ? "+" : "";
  node.textContent = added ? ` ${sign} ${digits}` : factor && negative ? `(${sign}${digits})` : sign + digits;
}

function withSubscripts(symbol) {
  return symbol.split(/(_\w)/).map((part) => (part.startsWith("_") ? el("sub", "", part.slice(1)) : part));
}
