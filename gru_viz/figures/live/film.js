// The gates while they learn: every map of every snapshot is here already, so that the slider needs no server.
//
// A map is drawn on a canvas of as many pixels as it has values, by a table of colours; the browser stretches it.

const NAN_CODE = 255;
const REST_MS = 350;
const FRAMES_PER_SECOND = 4;
const ROOM = 560; // pixels that the maps of a lane share

const instances = new WeakMap();

// Where the slider stands outlives an instance: the page may take the film away and put it back.
const memory = (globalThis.gruVizFilm ??= { update: 0, following: true });

export default function ({ data, parentElement, setStateValue }) {
  let film = instances.get(parentElement);
  if (!film) {
    film = new Film(parentElement.querySelector(".gv-film"));
    instances.set(parentElement, film);
  }
  film.report = (frame) => setStateValue("frame", frame);
  film.show(data);
  return () => {
    if (parentElement.isConnected) return; // a later call, with newer data, has taken over while this module loaded
    film.dispose();
    instances.delete(parentElement);
  };
}

function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const array = ({ array: { at, count } }) => bytes.subarray(4 + length + at, 4 + length + at + count);
  for (const lane of header.lanes) for (const map of lane.maps) map.codes = array(map.codes);
  for (const name of Object.keys(header.tables)) header.tables[name] = array(header.tables[name]);
  return header;
}

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const count = (n) => n.toLocaleString("en-US");

// The newest snapshot that is not after an update.
function placeAt(updates, update) {
  let place = 0;
  while (place + 1 < updates.length && updates[place + 1] <= update) place += 1;
  return place;
}

class Film {
  constructor(root) {
    this.root = root;
    const find = (name) => root.querySelector(`.gv-film-${name}`);
    Object.assign(this, {
      slider: find("slider"), marks: find("marks"), place: find("place"), play: find("play"),
      lanes: find("lanes"), reading: find("reading"),
    });
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.play.addEventListener("click", () => this.togglePlay());
    root.addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target.tagName === "BUTTON") return;
      event.preventDefault();
      this.togglePlay();
    });
    this.resizing = new ResizeObserver(() => this.view && this.mark());
    this.resizing.observe(this.marks);
  }

  dispose() {
    clearInterval(this.playing);
    clearTimeout(this.resting);
    this.resizing.disconnect();
  }

  show(bytes) {
    const view = decode(bytes);
    if (this.view?.film === view.film) return;
    // At the end the slider follows what is new; anywhere else it stays where it was put.
    this.view = view;
    const frame = memory.following ? view.updates.length - 1 : placeAt(view.updates, memory.update);
    this.slider.max = view.updates.length - 1;
    const shape = JSON.stringify(view.lanes.map((lane) => [lane.name, lane.units, lane.columns, lane.maps.map((m) => [m.title, m.low])]));
    if (shape !== this.shape) this.layOut();
    this.shape = shape;
    view.lanes.forEach((lane, i) => lane.maps.forEach((map, k) => (this.shown[i].maps[k].map = map)));
    this.mark();
    this.go(frame, false);
    this.root.dataset.ready = view.film;
  }

  layOut() {
    const { lanes, steps, probe } = this.view;
    this.lanes.style.setProperty("--lanes", lanes.length);
    this.shown = lanes.map((lane, at) => {
      const after = el("span", "gv-film-after");
      const swatch = el("span");
      Object.assign(swatch.style, { width: "1.1rem", height: "0.6rem", background: lane.colour });
      const name = el("div", "gv-film-lane-name", swatch, lane.name, after);
      const height = Math.round(Math.min(120, Math.max(40, ROOM / lane.maps.length - 26)));
      const maps = lane.maps.map((map) => this.layOutMap(lane, map, height, at));
      const last = (lane.columns - 1) * steps + 1;
      const words = steps > 1 ? `step of ${probe} (each column the mean of ${steps})` : `step of ${probe}`;
      const axis = el("div", "gv-film-steps", el("span", "", "1"), el("span", "", words), el("span", "", count(last)));
      maps.at(-1).box.append(axis);
      const column = el("section", "gv-film-lane", name, ...maps.map(({ box }) => box));
      return { column, name, after, maps };
    });
    this.lanes.replaceChildren(...this.shown.map(({ column }) => column));
  }

  layOutMap(lane, map, height, at) {
    const canvas = el("canvas");
    Object.assign(canvas, { width: lane.columns, height: lane.units.length });
    canvas.style.height = `${height}px`;
    canvas.setAttribute("role", "img");
    const bar = el("i");
    const table = this.view.tables[map.colours];
    const stop = (code) => `rgb(${table.subarray(3 * code, 3 * code + 3).join()})`;
    bar.style.background = `linear-gradient(to right, ${[0, 63, 127, 190, 254].map(stop).join()})`;
    const scale = el("span", "gv-film-scale", map.lowMeans, bar, map.highMeans);
    const head = el("div", "gv-film-head", el("b", "", map.title), el("span", "gv-film-meaning", map.meaning), scale);
    const units = el("div", "gv-film-units", el("span", "", lane.units[0]), el("span", "", "unit"), el("span", "", lane.units.at(-1)));
    if (height < 44) units.children[1].remove();
    const shown = { box: el("div", "gv-film-map", head, units, canvas), canvas, map, context: canvas.getContext("2d") };
    shown.image = shown.context.createImageData(canvas.width, canvas.height);
    shown.pixels = new Uint32Array(shown.image.data.buffer);
    canvas.addEventListener("pointermove", (event) => this.read(event, at, shown));
    canvas.addEventListener("pointerleave", () => write(this.reading, ""));
    canvas.addEventListener("click", () => this.chooseLane(lane.name));
    return shown;
  }

  // Some updates by name under the slider: where there is room, powers of ten first.
  mark() {
    const { updates } = this.view;
    const width = this.marks.clientWidth || 600;
    const last = updates.length - 1;
    const at = (i) => (last ? (i / last) * width : 0);
    const round = (n) => n === 0 || Number.isInteger(Math.log10(n));
    const wanted = updates.map((_, i) => i).sort((a, b) => rank(a) - rank(b));
    function rank(i) {
      return i === last || i === 0 ? 0 : round(updates[i]) ? 1 : 2;
    }
    const taken = [];
    for (const i of wanted) {
      const half = 5 * count(updates[i]).length + 6;
      if (taken.every((other) => Math.abs(at(other.i) - at(i)) > half + other.half)) taken.push({ i, half });
    }
    this.marks.replaceChildren(...taken.map(({ i }) => {
      const mark = el("span", "", count(updates[i]));
      mark.style.left = `${at(i)}px`;
      return mark;
    }));
  }

  go(frame, byHand = true) {
    this.frame = Math.min(Math.max(frame, 0), this.view.updates.length - 1);
    const update = this.view.updates[this.frame];
    this.slider.value = this.frame;
    Object.assign(memory, { update, following: byHand ? this.frame === this.view.updates.length - 1 : memory.following });
    const words = `after ${count(update)} update${update === 1 ? "" : "s"}`;
    this.slider.setAttribute("aria-valuetext", words);
    write(this.place, words);
    this.view.lanes.forEach((lane, i) => {
      const snapshot = placeAt(lane.updates, update);
      const own = lane.updates[snapshot];
      this.shown[i].snapshot = snapshot;
      write(this.shown[i].after, own === update ? "" : `after ${count(own)}`);
      for (const shown of this.shown[i].maps) this.draw(shown, snapshot);
    });
    this.describe();
    this.root.dataset.update = update;
    if (byHand) this.restSoon();
  }

  draw(shown, snapshot) {
    const { map, pixels, image, context } = shown;
    const colours = this.coloursOf(map.colours);
    const from = snapshot * pixels.length;
    for (let i = 0; i < pixels.length; i++) pixels[i] = colours[map.codes[from + i]];
    context.putImageData(image, 0, 0);
  }

  // Colours as the words that a canvas holds in memory.
  coloursOf(name) {
    this.colours ??= {};
    if (!this.colours[name]) {
      const table = this.view.tables[name];
      const bytes = new Uint8Array(4 * (NAN_CODE + 1));
      for (let code = 0; code <= NAN_CODE; code++) {
        bytes.set([table[3 * code], table[3 * code + 1], table[3 * code + 2], code === NAN_CODE ? 0 : 255], 4 * code);
      }
      this.colours[name] = new Uint32Array(bytes.buffer);
    }
    return this.colours[name];
  }

  read(event, at, { canvas, map }) {
    const lane = this.view.lanes[at];
    const box = canvas.getBoundingClientRect();
    const column = Math.min(lane.columns - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * lane.columns)));
    const row = Math.min(lane.units.length - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * lane.units.length)));
    const code = map.codes[(this.shown[at].snapshot * lane.units.length + row) * lane.columns + column];
    const value = code === NAN_CODE ? "nothing" : (map.low + (code / (NAN_CODE - 1)) * (map.high - map.low)).toFixed(2);
    const step = column * this.view.steps + 1;
    write(this.reading, `${lane.name}, ${map.title}: unit ${lane.units[row]}, step ${count(step)} is ${value.replace("-", "−")}`);
  }

  describe() {
    this.view.lanes.forEach((lane, i) => {
      this.shown[i].maps.forEach(({ canvas, map }) => {
        canvas.setAttribute("aria-label", `${map.title} of ${lane.name} after ${count(lane.updates[this.shown[i].snapshot])} updates`);
      });
    });
  }

  restSoon() {
    clearTimeout(this.resting);
    if (this.playing) return;
    this.resting = setTimeout(() => {
      const updates = Object.fromEntries(this.view.lanes.map((lane, i) => [lane.name, lane.updates[this.shown[i].snapshot]]));
      this.report({ updates });
    }, REST_MS);
  }

  togglePlay() {
    if (this.playing) return this.stopPlay();
    const last = this.view.updates.length - 1;
    if (this.frame >= last) this.go(0);
    this.playing = setInterval(() => {
      this.go(this.frame + 1);
      if (this.frame >= this.view.updates.length - 1) this.stopPlay();
    }, 1000 / FRAMES_PER_SECOND);
    this.labelPlay();
  }

  stopPlay() {
    clearInterval(this.playing);
    this.playing = null;
    this.labelPlay();
    this.restSoon();
  }

  labelPlay() {
    write(this.play, this.playing ? "❚❚ Pause" : "► Play");
    this.play.setAttribute("aria-pressed", String(Boolean(this.playing)));
  }
}
