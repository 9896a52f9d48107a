// A training: a strip of lanes, and charts.

import { findParts, write } from "../shared/dom.js";
import { mountOnce } from "../shared/mount.js";
import { readBlock, sameBytes } from "../shared/payload.js";
import { loadPlotly } from "../shared/plotly.js";
import { ChartGrid } from "./chart_grid.js";
import { LaneStrip } from "./lane_strip.js";

/**
 * Data: figures and lanes. Trigger: picked, the customdata of the point that was clicked.
 * @param {import("../shared/mount.js").Mounting} mounting
 */
export default function mount(mounting) {
  return mountOnce(mounting, (parent) => new Charts(parent.querySelector(".gv-charts")));
}

class Charts {
  constructor(root) {
    const { strip, figures, "charts-status": status } = findParts(root, "gv-", ["strip", "figures", "charts-status"]);
    this.status = status;
    this.strip = new LaneStrip(strip);
    this.grid = new ChartGrid(root, figures, (picked) => this.report?.("picked", picked));
  }

  dispose() {
    this.grid.dispose();
  }

  async show(bytes, { setTriggerValue }) {
    this.report = setTriggerValue;
    if (this.bytes && sameBytes(this.bytes, bytes)) return;
    this.bytes = bytes;
    const { header, arrays } = readBlock(bytes);
    this.strip.show(header.lanes, header.columns);
    this.grid.place(header.figures);
    this.status.hidden = !header.figures.length;
    try {
      await loadPlotly();
    } catch (error) {
      write(this.status, error.message);
      this.status.hidden = false;
      return;
    }
    if (this.bytes !== bytes) return; // newer ones came while plotly was loading
    this.status.hidden = true;
    await this.grid.show({ ...header, arrays });
  }
}
