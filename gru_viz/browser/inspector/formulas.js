// A unit's equations with the numbers of the cursor's column, below the maps.

import { el } from "../shared/dom.js";
import { countText, formulaText, shortText } from "./texts.js";

export class Formulas {
  /**
   * @param {HTMLElement} root
   * @param {function(): void} zoomToSteps
   */
  constructor(root, zoomToSteps) {
    this.root = root;
    this.zoomToSteps = zoomToSteps;
  }

  /**
   * Lay out a unit's equations, or what a column of many steps shows of it.
   * @param {import("./view.js").View} view
   * @param {number} unit
   * @param {boolean} refinable whether single steps can be asked for
   */
  layOut(view, unit, refinable) {
    this.view = view;
    this.updates = []; // each writes what depends on the column
    const blocks = view.exact
      ? view.formulas.map((formula) => this.layOutFormula(formula, formula.units[unit]))
      : [this.layOutColumn(unit, refinable)];
    this.root.replaceChildren(...blocks);
    this.root.classList.remove("gv-waiting");
  }

  /** Until Python has sent the unit's numbers. */
  wait() {
    this.root.classList.add("gv-waiting");
  }

  /** @param {number} column counted from 0; -1 where the view has none for the cursor's step */
  show(column) {
    this.root.classList.toggle("gv-beyond", column < 0);
    if (column >= 0) for (const update of this.updates) update(column);
  }

  layOutFormula({ title, readings, lines }, series) {
    const block = el("div", "gv-formula");
    if (title) block.append(el("div", "gv-formula-title", title));
    const items = readings.map((reading) => this.layOutReading(reading));
    items.push(el("span", "gv-reading", el("i", "", "h₋"), " = ", this.number(series["previous.hidden"])));
    block.append(el("div", "gv-readings", ...items), ...lines.map((line) => this.layOutLine(line, series)));
    return block;
  }

  layOutReading({ symbol, name, words, drawn, original }) {
    const reading = el("span", "gv-reading", el("i", "", ...withSubscripts(symbol)), name ? ` ${name} = ` : " = ");
    reading.append(words ? this.text((column) => words[column]) : this.number(drawn));
    if (original !== null) reading.append(" (", this.number(original), ")");
    return reading;
  }

  layOutLine(line, series) {
    const symbols = line.tokens.flatMap((token) =>
      typeof token === "string" ? [token] : [token.added ? " + " : "", el("i", "", ...withSubscripts(token.symbol))],
    );
    const numbers = line.tokens.map((token, i) => {
      if (typeof token === "string") return token;
      const factor = typeof line.tokens[i - 1] === "string" && line.tokens[i - 1].endsWith("·");
      return this.number(series[token.series], token.added, factor);
    });
    const result = el("b", "gv-result", this.number(series[line.quantity]));
    const row = el(
      "div",
      "gv-line",
      el("span", "gv-name", line.name),
      el("span", "gv-left", el("i", "", line.symbol), " ="),
      el("span", "gv-symbols", ...symbols),
      el("span", "gv-numbers", "= ", ...numbers, " = ", result),
    );
    row.dataset.quantity = line.quantity;
    return row;
  }

  // Where a column has many steps there are no formulas: the unit's values, and the way to single steps.
  layOutColumn(unit, refinable) {
    const { panels, units, figure, edges, single } = this.view;
    const row = units.indexOf(unit);
    const readings = panels.filter((panel) => panel.units).map((panel) => {
      const at = Math.floor(row / panel.grouped);
      const node = this.text((column) => {
        const range = panel.extremesAt(at, column);
        return `${shortText(panel.valueAt(at, column))}${range ? ` (${shortText(range[0])} … ${shortText(range[1])})` : ""}`;
      });
      return el("span", "gv-reading", `${figure.data[panel.trace].name} = `, node);
    });
    const steps = countText(edges[1] - edges[0]);
    const line = el("p", "gv-reduced", `Each column shows the mean of ${steps} steps, or an extreme that stands out. `);
    if (refinable) {
      const wide = edges[1] - edges[0] > single;
      const button = el("button", "gv-single", wide ? "Zoom into this column" : "Zoom to single steps");
      Object.assign(button, { type: "button", title: "Enter" });
      button.addEventListener("click", this.zoomToSteps);
      line.append(`Zoom in to ${countText(single)} steps for exact values and formulas. `, button);
    } else {
      line.append("The single steps are not in this file.");
    }
    return el("div", "gv-column", el("div", "gv-readings", ...readings), line);
  }

  number(address, added, factor) {
    const node = el("span", added ? "gv-number gv-added" : "gv-number");
    const series = this.view.seriesAt(address);
    this.updates.push((column) => (node.textContent = formulaText(series[column], added, factor)));
    return node;
  }

  text(textAt) {
    const node = el("span", "gv-words");
    this.updates.push((column) => (node.textContent = textAt(column)));
    return node;
  }
}

function withSubscripts(symbol) {
  return symbol.split(/(_\w)/).map((part) => (part.startsWith("_") ? el("sub", "", part.slice(1)) : part));
}
