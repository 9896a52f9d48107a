// Plotly is loaded once for all components; a saved page has it already.

let plotlyLoading;

/** @returns {Promise<any>} Plotly; rejects with a message for the reader of the page. */
export function loadPlotly() {
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

/**
 * Remove a plot once plotly has finished drawing it: its last steps would look for what is gone.
 * @param {HTMLElement} plot
 * @param {Promise<any>} [drawing]
 */
export function purgePlot(plot, drawing) {
  Promise.resolve(drawing).finally(() => window.Plotly?.purge(plot));
}
