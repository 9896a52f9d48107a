// How a component is mounted by Streamlit, and in a saved page.

/**
 * What Streamlit calls a component with. A saved page has nobody to report to, and so no setters.
 * @typedef {object} Mounting
 * @property {Uint8Array} data the block that Python packed
 * @property {HTMLElement} parentElement
 * @property {?function(string, any): void} [setStateValue]
 * @property {?function(string, any): void} [setTriggerValue]
 */

const mounted = new WeakMap();

/**
 * Show new data in a component, which is made at the first call for its element.
 *
 * Streamlit calls for each change of data, and runs the clean-up of a call that a later one has superseded while the
 * module was loading: the component ends only when its element has left the page.
 * @param {Mounting} mounting
 * @param {function(HTMLElement): {show: function(Uint8Array, Mounting): any, dispose: function(): void}} create
 * @returns {function(): void} the clean-up
 */
export function mountOnce(mounting, create) {
  const { data, parentElement } = mounting;
  if (!mounted.has(parentElement)) mounted.set(parentElement, create(parentElement));
  const component = mounted.get(parentElement);
  component.show(data, mounting);
  return () => {
    if (parentElement.isConnected) return;
    component.dispose();
    mounted.delete(parentElement);
  };
}
