// The slider, the buttons and the unit's list below the maps.

import { el } from "../shared/dom.js";

export class Controls {
  /**
   * @param {object} parts the elements: back, forward, play, speed, slider, position, all, unit
   * @param {object} on what the user asks for: step(step), move(steps), unit(unit), all(), play()
   */
  constructor(parts, on) {
    this.parts = parts;
    parts.slider.addEventListener("input", () => on.step(Number(parts.slider.value)));
    parts.back.addEventListener("click", () => on.move(-1));
    parts.forward.addEventListener("click", () => on.move(1));
    parts.all.addEventListener("click", () => on.all());
    parts.play.addEventListener("click", () => on.play());
    parts.unit.addEventListener("change", () => on.unit(Number(parts.unit.value)));
  }

  /** Steps a second of play. */
  get speed() {
    return Number(this.parts.speed.value);
  }

  /** Whether keys belong to an element: its own arrows choose from a list. */
  usesKeys(element) {
    return element === this.parts.unit || element === this.parts.speed;
  }

  showUnits(units, chosen) {
    const { unit: list } = this.parts;
    if (this.units !== units.join()) {
      this.units = units.join();
      const sorted = [...units].sort((a, b) => a - b);
      list.replaceChildren(...sorted.map((unit) => new Option(`unit ${unit + 1}`, unit)));
    }
    list.value = chosen;
  }

  showUnit(unit) {
    this.parts.unit.value = unit;
  }

  showStep(step, text) {
    const { slider, position } = this.parts;
    slider.value = step;
    slider.setAttribute("aria-valuetext", text);
    position.textContent = position.title = text;
  }

  /** @param {import("./viewport.js").Viewport} viewport */
  showRange(viewport, step) {
    const { slider, all } = this.parts;
    const [from, to] = viewport.long ? viewport.range : [viewport.first, viewport.last];
    all.hidden = !viewport.long || viewport.showsAll;
    Object.assign(slider, { min: from, max: to, value: step });
  }

  showPlaying(playing) {
    const [sign, word] = playing ? ["❚❚", "Pause"] : ["►", "Play"];
    this.parts.play.replaceChildren(el("span", "gv-sign", `${sign} `), word);
    this.parts.play.setAttribute("aria-pressed", String(playing));
  }
}
