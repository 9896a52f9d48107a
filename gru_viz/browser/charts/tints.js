// Colours that follow the page's theme.

/**
 * Replace the colours that stand for those of text and page, in plotly's description; it is changed in place.
 * @param {any} value
 * @param {Object<string, string>} tints
 */
export function tinted(value, tints) {
  if (typeof value === "string") return tints[value] ?? value;
  if (Array.isArray(value)) return value.map((each) => tinted(each, tints));
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  for (const key of Object.keys(value)) value[key] = tinted(value[key], tints);
  return value;
}
