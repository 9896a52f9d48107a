// The one decoder of what Python sends: the length of a JSON header, the header, then the bytes of all arrays.

const ARRAY_TYPES = { u1: Uint8Array, u2: Uint16Array, f4: Float32Array, f8: Float64Array };

/**
 * Where an array is among the bytes after the header.
 * @typedef {{at: number, count: number, kind: "u1"|"u2"|"f4"|"f8", columns?: number}} ArrayAddress
 */

/**
 * Split a block into its header and the bytes of its arrays, which are not copied.
 * @param {Uint8Array} bytes
 * @returns {{header: any, arrays: Uint8Array}}
 */
export function readBlock(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return { header, arrays: bytes.subarray(4 + length) };
}

/**
 * Copy an array out of a block; one with columns becomes a list of rows.
 * @param {Uint8Array} arrays
 * @param {ArrayAddress} address
 */
export function readArray(arrays, { at, count, kind, columns }) {
  const ArrayType = ARRAY_TYPES[kind];
  const copy = arrays.slice(at, at + count * ArrayType.BYTES_PER_ELEMENT); // a copy starts at an aligned address
  const array = new ArrayType(copy.buffer);
  if (!columns) return array;
  return Array.from({ length: count / columns }, (_, row) => array.subarray(row * columns, (row + 1) * columns));
}

/**
 * A copy of a part of the header in which every {array: address} is the array itself.
 * @param {any} value
 * @param {Uint8Array} arrays
 */
export function withArrays(value, arrays) {
  if (Array.isArray(value)) return value.map((each) => withArrays(each, arrays));
  if (value === null || typeof value !== "object") return value;
  if (value.array) return readArray(arrays, value.array);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withArrays(each, arrays)]));
}

/** Whether two blocks are the same. */
export function sameBytes(a, b) {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
