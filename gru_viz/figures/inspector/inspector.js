// The gate inspector: plotly heatmaps on one axis of steps, with a cursor that never leaves the browser.
//
// Python sends one block of bytes: the length of a JSON header, the header, then 12-bit heatmaps and float32 series.
// Python hears from us only when the cursor has come to rest, or when another part of a long sequence is looked at: its
// columns then hold many steps each, and finer ones come for the part in sight.

const REST_MS = 350;
const REFINE_MS = 15; // how long after finer columns have come others are asked for, where the hand has gone on
const ROOMY = 900; // pixels of width from which titles carry their meaning
const WIDTHS = 100; // pixels by which Python hears of the maps' width
const FOLLOW = 0.1; // how far inside the maps the cursor is when they follow it

const instances = new WeakMap();

// Where the cursor stands, what is zoomed into and the whole of a long sequence outlive an instance: the page may take
// the instrument away and put it back, as it does when another page is visited.
const memory = (globalThis.gruVizInspector ??= { cursor: { step: null, unit: null }, zoom: null, whole: null });

export default function ({ data, parentElement, setStateValue }) {
  let inspector = instances.get(parentElement);
  if (!inspector) {
    inspector = new Inspector(parentElement.querySelector(".gv-inspector"));
    instances.set(parentElement, inspector);
  }
  inspector.report = setStateValue ?? null; // a saved page has nobody to tell
  inspector.show(data);
  return () => {
    if (parentElement.isConnected) return; // a later call, with newer data, has taken over while this module loaded
    inspector.dispose();
    instances.delete(parentElement);
  };
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
  }).then(async (Plotly) => {
    await teachPainting(Plotly);
    return Plotly;
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
      unitBox: find("unit"), formulas: find("formulas"), status: find("status"), all: find("all"),
    });
    this.cursor = memory.cursor;
    this.listen();
  }

  listen() {
    this.slider.addEventListener("input", () => this.moveTo(Number(this.slider.value)));
    this.root.querySelector(".gv-back").addEventListener("click", () => this.moveBy(-1));
    this.root.querySelector(".gv-forward").addEventListener("click", () => this.moveBy(1));
    this.all.addEventListener("click", () => this.showAll());
    this.play.addEventListener("click", () => this.togglePlay());
    this.unitBox.addEventListener("change", () => this.chooseUnit(Number(this.unitBox.value)));
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.resizing = new ResizeObserver(() => this.onResize());
    this.resizing.observe(this.maps);
  }

  dispose() {
    this.stopPlay();
    clearTimeout(this.resting);
    clearTimeout(this.asking);
    this.resizing.disconnect();
    if (window.Plotly) window.Plotly.purge(this.plot);
  }

  async show(bytes) {
    const view = decode(bytes);
    this.view = view;
    this.long = Boolean(view.subject);
    this.first = this.long ? 1 : view.first;
    this.last = this.long ? view.total : view.first + view.steps - 1;
    if (this.long && view.edges[0] === 0 && view.edges.at(-1) === view.total) {
      memory.whole = { subject: view.subject, view };
    }
    const [from, to] = this.visible();
    const chosen = this.cursor.step ?? (view.start || from + Math.floor((to - from) / 3));
    const known = view.units.includes(this.cursor.unit) && view.formulas.every(({ units }) => units[this.cursor.unit]);
    const unit = known ? this.cursor.unit : Math.min(view.unit, view.units.length - 1);
    Object.assign(this.cursor, { step: Math.min(Math.max(chosen, this.first), this.last), unit });
    if (this.long && (this.cursor.step < from || this.cursor.step > to)) {
      this.cursor.step = Math.round((from + to) / 2); // the zoom left it behind
    }
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
    this.ask(REFINE_MS); // the hand may have gone on while this was on its way
  }

  // The steps in sight, from the first to the last.
  visible() {
    const whole = [this.first, this.last];
    const zoomed = memory.zoom?.of === this.view.total ? memory.zoom.range : null;
    if (!zoomed) return this.view.zoom ?? whole;
    const [from, to] = [Math.floor(zoomed[0] + 0.5), Math.ceil(zoomed[1] - 0.5)];
    return [Math.min(Math.max(from, this.first), this.last), Math.min(Math.max(to, this.first), this.last)];
  }

  // The whole of a long sequence, where the view is a part of it.
  get whole() {
    const known = this.long && memory.whole?.subject === this.view.subject ? memory.whole.view : null;
    return known === this.view ? null : known;
  }

  // Whether what is in sight is more than the view has, so that the whole must be drawn too: below it, or above it where
  // its columns would hide each other.
  groundNeeded() {
    if (this.whole === null) return "";
    const { edges, columns } = this.view;
    const [from, to] = this.visible();
    const pixels = ((edges.at(-1) - edges[0]) / (to - from + 1)) * this.maps.clientWidth;
    if (pixels < columns / 2) return "above";
    return from - 1 < edges[0] || to > edges.at(-1) ? "below" : "";
  }

  // The view's maps and lines, with those of the whole sequence where the view does not reach.
  compose() {
    const { view, whole } = this;
    const traces = view.figure.data.map((trace) => ({ ...trace }));
    if (!view.exact) {
      for (const panel of view.panels) {
        const trace = traces[panel.trace];
        trace.customdata = lazyRows((row, column) => this.tell(panel, row, column));
        trace.hovertemplate = trace.hovertemplate.replace(/<\/b>.*<extra>/, "</b>%{customdata}<extra>");
      }
      const texts = view.edges.slice(1).map((_, i) => {
        const label = view.labels?.[i];
        return spanOf(view.edges, i) + (label === undefined ? "" : ` · ${escapeMarkup(label)}`);
      });
      for (const { trace } of view.curves) {
        traces[trace].text = texts;
        traces[trace].hovertemplate = traces[trace].hovertemplate?.replace(/<br>.*<extra>/, "<br>%{text}<extra>");
      }
    }
    this.ground = this.groundNeeded();
    return this.ground ? [...traces, ...groundFor(view, whole, this.ground === "above")] : traces;
  }

  // What the hover says of a cell beside its number: from where to where it reaches, whose it is, and which steps.
  tell(panel, row, column) {
    const reach = panel.reachAt(row, column);
    const { y } = this.view.figure.data[panel.trace];
    const whose = panel.units ? (panel.grouped > 1 ? "units" : "unit") : "row";
    const between = reach ? `, of ${written(reach[0])} … ${written(reach[1])}` : "";
    return `${between}<br>${whose} ${y[row]}, ${spanOf(this.view.edges, column)}`;
  }

  async draw(Plotly) {
    const traces = this.compose();
    const { figure, total } = this.view;
    const roomy = this.maps.clientWidth >= ROOMY;
    this.roomy = roomy;
    const layout = structuredClone(figure.layout);
    if (!roomy) for (const note of layout.annotations) note.text = note.text.replace(/<i>.*<\/i>/, "");
    layout.height = this.heightFor(figure.layout.height);
    layout.uirevision = total;
    layout.width = this.maps.clientWidth;
    layout.dragmode = this.plot._fullLayout?.dragmode ?? layout.dragmode;
    const first = !this.plot.data;
    // Plotly's own memory of a zoom does not hold for an axis that is given a range.
    const [from, to] = this.visible();
    const range = memory.zoom?.of === total ? [...memory.zoom.range] : [from - 0.5, to + 0.5];
    Object.assign(layout.xaxis, { range, minallowed: this.first - 0.5, maxallowed: this.last + 0.5 });
    const ticked = first ? null : this.ticks(this.plot._fullLayout.xaxis._length);
    for (const [key, value] of Object.entries(ticked ?? {})) layout.xaxis[key.replace("xaxis.", "")] = value;
    // Given again, plotly would take its buttons for new ones, and draw everything twice.
    await Plotly.react(this.plot, traces, layout, first ? this.settings(Plotly) : undefined);
    this.status.hidden = true;
    this.tickedRange = ticked ? this.plot._fullLayout.xaxis.range.join() : null;
    this.onZoom(Plotly);
    if (first) {
      this.plot.on("plotly_relayout", () => this.onZoom(Plotly));
      this.plot.on("plotly_doubleclick", () => this.showAll());
      this.plot.on("plotly_click", ({ points }) => this.onClick(points[0]));
    }
  }

  settings(Plotly) {
    const save = (format, icon) => ({
      name: `Save as ${format.toUpperCase()}`,
      icon,
      click: (plot) => this.saveImage(Plotly, plot, format),
    });
    return {
      displaylogo: false,
      responsive: false,
      displayModeBar: true,
      showTips: false,
      doubleClick: false, // ours: plotly would go back to the range of the first sequence it drew
      modeBarButtons: [
        [save("png", Plotly.Icons.camera), save("svg", Plotly.Icons.disk)],
        ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d"],
        [{ name: "Show all steps", icon: Plotly.Icons.home, click: () => this.showAll() }],
      ],
    };
  }

  showAll() {
    const { figure } = this.view;
    const rows = Object.keys(figure.layout).filter((key) => figure.layout[key]?.autorange === "reversed");
    const full = Object.fromEntries(rows.map((key) => [`${key}.autorange`, "reversed"]));
    window.Plotly.relayout(this.plot, { "xaxis.range": [this.first - 0.5, this.last + 0.5], ...full });
  }

  // Show so many steps, with the cursor's column where it is, or in the middle.
  zoomTo(width, middle = null) {
    const [from, to] = this.visible();
    const size = Math.round(Math.min(Math.max(width, 8), this.last - this.first + 1));
    const share = Math.min(Math.max((this.cursor.step - from) / Math.max(to - from, 1), 0), 1);
    const wanted = middle === null ? this.cursor.step - share * size : middle - size / 2;
    const begin = Math.round(Math.min(Math.max(wanted, this.first), this.last - size + 1));
    window.Plotly.relayout(this.plot, { "xaxis.range": [begin - 0.5, begin + size - 0.5] });
  }

  // To the cursor's column, step by step where it is narrow enough, else as fine as it can be.
  zoomToSteps() {
    const { edges } = this.view;
    const column = columnOf(edges, this.cursor.step - 1);
    const width = edges[column + 1] - edges[column];
    const { single } = this.view;
    this.zoomTo(width > single ? width : Math.min(single, Math.max(3 * width, 200)), (edges[column] + edges[column + 1]) / 2);
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
    const data = plot.data.map(({ map, ...trace }) => (map ? { ...trace, z: unpackHeatmap(map) } : trace));
    Plotly.downloadImage({ data, layout }, { format, width, height, scale: 2, filename: this.view.filename });
  }

  onResize() {
    if (!this.plot.data || !this.maps.clientWidth || this.maps.clientWidth === this.plot._fullLayout.width) return;
    if (this.roomy === this.maps.clientWidth >= ROOMY) {
      window.Plotly.relayout(this.plot, { width: this.maps.clientWidth });
    } else {
      this.draw(window.Plotly).then(() => this.place());
    }
    if (this.long) this.ask(REST_MS);
  }

  // Labelled steps are thinned out to what fits the visible range; what is not there yet is asked for.
  onZoom(Plotly) {
    const axis = this.plot._fullLayout.xaxis;
    const range = axis.range.join();
    const moved = memory.zoom?.of !== this.view.total || memory.zoom.range.join() !== range;
    memory.zoom = { of: this.view.total, range: [...axis.range] };
    const [from, to] = this.visible();
    const whole = from === this.first && to === this.last;
    this.all.hidden = !this.long || whole;
    this.slider.min = this.long ? from : this.first;
    this.slider.max = this.long ? to : this.last;
    this.slider.value = this.cursor.step;
    const width = axis._length;
    this.root.classList.toggle("gv-dense", this.view.columns * ((to - from + 1) / this.view.steps) > width);
    const grounded = this.ground === this.groundNeeded();
    if (moved) this.ask(this.long ? 0 : REST_MS);
    if (!grounded) {
      this.draw(Plotly).then(() => this.place());
      return;
    }
    const ticks = range === this.tickedRange ? null : this.ticks(width);
    this.tickedRange = range;
    if (ticks) Plotly.relayout(this.plot, ticks);
    this.place();
  }

  ticks(width) {
    const labelled = this.ground === "above" ? this.whole : this.view;
    const [from, to] = this.visible();
    return labelled.labels ? tickLabels(labelled, from - 1, to - 1, width) : null;
  }

  // Tell Python what is in sight, and how wide it is drawn; of a long sequence it answers with the columns for it.
  ask(delay) {
    clearTimeout(this.asking);
    const [from, to] = this.visible();
    const { total, zoom, room } = this.view;
    const width = Math.max(WIDTHS, Math.floor((this.plot._fullLayout?.xaxis._length ?? 0) / WIDTHS) * WIDTHS);
    const key = (range, pixels) => `${range.join(":")}:${total}${this.long ? `:${pixels}` : ""}`;
    this.asked ??= key(zoom ?? [this.first, this.last], room);
    const wanted = key([from, to], width);
    if (wanted === this.asked || !this.report) return;
    const tell = () => {
      this.asked = wanted;
      this.report("range", { from, to, total, width });
    };
    if (delay) this.asking = setTimeout(tell, delay);
    else tell();
  }

  onClick(point) {
    if (!point) return;
    const panel = this.view.panels.find((each) => each.trace === point.curveNumber);
    const [row, column] = panel ? (point.pointIndex ?? point.pointNumber) : [0, point.pointNumber];
    this.moveTo(this.view.edges[column] + 1);
    if (panel?.units) this.chooseUnit(this.view.units[row * panel.grouped]);
  }

  onKey(event) {
    if (event.target === this.unitBox || event.target === this.speed || event.ctrlKey || event.metaKey || event.altKey) return;
    const [from, to] = this.long ? this.visible() : [this.first, this.last];
    const leap = Math.max(2, Math.round((to - from + 1) / 10));
    const { step } = this.cursor;
    const grouped = this.view.panels.find((panel) => panel.units)?.grouped ?? 1;
    const row = this.view.units.indexOf(this.cursor.unit);
    const actions = {
      ArrowLeft: () => this.moveBy(-1),
      ArrowRight: () => this.moveBy(1),
      PageDown: () => this.moveTo(step - leap),
      PageUp: () => this.moveTo(step + leap),
      Home: () => this.moveTo(from),
      End: () => this.moveTo(to),
      ArrowUp: () => this.chooseUnit(this.view.units[row - grouped]),
      ArrowDown: () => this.chooseUnit(this.view.units[row + grouped]),
      "+": () => this.zoomTo((this.visible()[1] - this.visible()[0] + 1) / 4),
      "-": () => this.zoomTo((this.visible()[1] - this.visible()[0] + 1) * 4),
      0: () => this.showAll(),
    };
    if (!this.view.exact) actions.Enter = () => this.zoomToSteps();
    if (event.key === " " && event.target.tagName !== "BUTTON") actions[" "] = () => this.togglePlay();
    if (!actions[event.key] || (event.key === "Enter" && event.target.tagName === "BUTTON")) return;
    event.preventDefault();
    actions[event.key]();
  }

  // By steps where each has its column, else by columns.
  moveBy(count) {
    if (this.view.exact) return this.moveTo(this.cursor.step + count);
    const { edges } = this.view;
    const column = columnOf(edges, this.cursor.step - 1);
    const beyond = column + count > edges.length - 2 ? edges.at(-1) : edges[0] - 1;
    return this.moveTo((edges[column + count] ?? beyond) + 1);
  }

  moveTo(step) {
    const within = Math.min(Math.max(step, this.first), this.last);
    if (within === this.cursor.step) return;
    this.cursor.step = within;
    this.follow();
    this.update();
    this.placeCursor();
    this.restSoon();
  }

  // The part of a long sequence in sight turns its page when the cursor leaves it.
  follow() {
    const [from, to] = this.visible();
    const { step } = this.cursor;
    if (!this.long || (step >= from && step <= to)) return;
    const size = to - from + 1;
    const wanted = step - Math.round((step > to ? FOLLOW : 1 - FOLLOW) * size);
    const begin = Math.min(Math.max(wanted, this.first), this.last - size + 1);
    window.Plotly.relayout(this.plot, { "xaxis.range": [begin - 0.5, begin + size - 0.5] });
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
    if (this.playing || !this.report) return;
    this.resting = setTimeout(() => this.report("cursor", { ...this.cursor }), delay);
  }

  togglePlay() {
    if (this.playing) {
      this.stopPlay();
      this.restSoon();
      return;
    }
    if (this.cursor.step >= this.last) this.moveTo(this.first);
    let then = performance.now();
    const tick = (now) => {
      const due = Math.floor(((now - then) * Number(this.speed.value)) / 1000);
      if (due > 0) {
        then += (due * 1000) / Number(this.speed.value);
        this.moveBy(due);
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
    const [sign, word] = this.playing ? ["❚❚", "Pause"] : ["►", "Play"];
    this.play.replaceChildren(el("span", "gv-sign", `${sign} `), word);
    this.play.setAttribute("aria-pressed", String(Boolean(this.playing)));
  }

  // Whether the view has a column for a step.
  holds(step) {
    return step > this.view.edges[0] && step <= this.view.edges.at(-1);
  }

  // Everything that follows the cursor but the line itself.
  update() {
    const { view } = this;
    const { step } = this.cursor;
    const at = this.holds(step) ? columnOf(view.edges, step - 1) : -1;
    const label = view.labels?.[at];
    const where = view.exact || at < 0 ? `step ${counted(step)}` : spanOf(view.edges, at);
    const words = `${where} of ${counted(view.total)}${label === undefined ? "" : ` · ${label}`}`;
    this.slider.value = step;
    this.slider.setAttribute("aria-valuetext", words);
    this.position.textContent = this.position.title = words;
    this.root.dataset.step = step;
    this.formulas.classList.toggle("gv-beyond", at < 0);
    if (at < 0) return; // the page has been turned, and the next one is on its way
    for (const { node, series, added, factor } of this.numbers) writeNumber(node, series[at], added, factor);
    for (const { node, words } of this.words) node.textContent = words[at];
    for (const { node, read } of this.readers) node.textContent = read(at);
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
    this.readers = [];
    if (!this.view.exact) {
      this.formulas.replaceChildren(this.layOutColumn());
      this.formulas.classList.remove("gv-waiting");
      return;
    }
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

  // Where a column holds many steps, there are no formulas: what it says of the unit, and the way to single steps.
  layOutColumn() {
    const { panels, units, figure, edges, single } = this.view;
    const row = units.indexOf(this.cursor.unit);
    const readings = panels.filter((panel) => panel.units).map((panel) => {
      const node = el("span", "gv-words");
      const at = Math.floor(row / panel.grouped);
      const read = (column) => {
        const reach = panel.reachAt(at, column);
        return `${written(panel.valueAt(at, column))}${reach ? ` (${written(reach[0])} … ${written(reach[1])})` : ""}`;
      };
      this.readers.push({ node, read });
      return el("span", "gv-reading", `${figure.data[panel.trace].name} = `, node);
    });
    const steps = counted(edges[1] - edges[0]);
    const line = el("p", "gv-reduced", `Each column shows the mean of ${steps} steps, or an extreme that stands out. `);
    if (this.report) {
      const wide = edges[1] - edges[0] > single;
      const button = el("button", "gv-single", wide ? "Zoom into this column" : "Zoom to single steps");
      button.type = "button";
      button.title = "Enter";
      button.addEventListener("click", () => this.zoomToSteps());
      line.append(`Zoom in to ${counted(single)} steps for exact values and formulas. `, button);
    } else {
      line.append("The single steps are not in this file.");
    }
    return el("div", "gv-column", el("div", "gv-readings", ...readings), line);
  }

  place() {
    if (!this.plot._fullLayout) return;
    const { xaxis } = this.plot._fullLayout;
    const rows = Object.values(this.plot._fullLayout).filter((axis) => axis?._id?.startsWith("y"));
    const top = Math.min(...rows.map((axis) => axis._offset));
    const bottom = Math.max(...rows.map((axis) => axis._offset + axis._length));
    this.stepWidth = xaxis._length / (xaxis.range[1] - xaxis.range[0]); // not from d2p, which rounds
    Object.assign(this.cursorElement.style, { top: `${top}px`, height: `${bottom - top}px` });
    this.placeCursor();
    this.placeRowMarks();
  }

  placeCursor() {
    const axis = this.plot._fullLayout?.xaxis;
    if (!axis || !this.stepWidth) return;
    const { edges } = this.view;
    const column = columnOf(edges, this.cursor.step - 1);
    const [begin, end] = this.view.exact || !this.holds(this.cursor.step) ? [this.cursor.step - 1, this.cursor.step] : [edges[column], edges[column + 1]];
    const room = (end - begin) * this.stepWidth;
    const width = room < 6 ? 2 : room; // a frame around the column where it has room for one, else a line
    const centre = axis.d2p((begin + end + 1) / 2);
    const inside = centre >= -0.5 && centre <= axis._length + 0.5;
    this.cursorElement.classList.toggle("gv-line-only", room < 6);
    this.cursorElement.style.width = `${width}px`;
    this.cursorElement.style.transform = `translateX(${axis._offset + centre - width / 2}px)`;
    this.cursorElement.hidden = !inside;
  }

  placeRowMarks() {
    const layout = this.plot._fullLayout;
    if (!layout) return;
    const unit = this.view.units.indexOf(this.cursor.unit);
    const marks = this.view.panels.filter((panel) => panel.units).map((panel) => {
      const axis = layout[this.view.figure.data[panel.trace].yaxis.replace("y", "yaxis")];
      const height = Math.abs(axis.r2p(1) - axis.r2p(0));
      const row = unit < 0 ? -1 : Math.floor(unit / panel.grouped);
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

function written(value) {
  return Number.isFinite(value) ? value.toFixed(2).replace("-", "−") : String(value);
}

function spanOf(edges, column) {
  const [from, to] = [edges[column] + 1, edges[column + 1]];
  return from >= to ? `step ${counted(from)}` : `steps ${counted(from)}–${counted(to)}`;
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
