// Small helpers for elements of the page.

/**
 * Make an element with children, which may be texts.
 * @param {string} tag
 * @param {string} className may be empty
 * @param {...(Node|string)} children
 */
export function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Write a text only where it changed, which leaves screen readers and the layout alone. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Find elements by the names of their classes, without the prefix: {name: element}. */
export function findParts(root, prefix, names) {
  return Object.fromEntries(names.map((name) => [name, root.querySelector(`.${prefix}${name}`)]));
}
