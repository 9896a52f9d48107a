// Play: step on by the clock until the end.

export class Player {
  /**
   * @param {function(number): boolean} advance moves so many steps on; returns whether that reached the end
   * @param {function(boolean): void} changed is called with whether it plays
   */
  constructor(advance, changed) {
    this.advance = advance;
    this.changed = changed;
    this.frame = null;
  }

  get playing() {
    return this.frame !== null;
  }

  /** @param {function(): number} speed in steps a second; may change while it plays */
  start(speed) {
    let then = performance.now();
    const tick = (now) => {
      const due = Math.max(0, Math.floor(((now - then) * speed()) / 1000));
      then += (due * 1000) / speed();
      if (this.advance(due)) this.stop();
      else this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
    this.changed(true);
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    this.changed(false);
  }
}
