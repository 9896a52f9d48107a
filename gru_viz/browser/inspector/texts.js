// How numbers and labels are written.

/** In groups of three digits: 1,234. */
export function countText(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** With two decimals, and the sign of a minus. */
export function shortText(value) {
  return Number.isFinite(value) ? value.toFixed(2).replace("-", "−") : String(value);
}

/**
 * A number in a formula.
 * @param {number} value
 * @param {boolean} [added] whether it is added to what stands before it, and so begins with its sign
 * @param {boolean} [factor] whether it is multiplied by what stands before it, and so is put in brackets if negative
 */
export function formulaText(value, added, factor) {
  const size = Math.abs(value);
  let digits = String(size);
  if (Number.isFinite(size)) digits = size >= 1e5 ? size.toExponential(2) : size.toFixed(size >= 100 ? 1 : 3);
  const negative = value < 0 && Number(digits) !== 0;
  const sign = negative ? "−" : added ? "+" : "";
  return added ? ` ${sign} ${digits}` : factor && negative ? `(${sign}${digits})` : sign + digits;
}

/** Plotly reads a few tags in its texts; a label from a file must stay a label. */
export function escapeMarkup(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}
