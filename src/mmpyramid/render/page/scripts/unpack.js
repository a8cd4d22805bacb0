/** Numbers that travel in the page as text: the counterpart of `data.py`. */

/**
 * What zlib compressed and base64 wrote.
 * @param {string} text
 * @returns {Promise<Uint8Array>}
 */
export async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** @param {string} text @returns {Promise<any>} */
export async function inflateJson(text) {
  return JSON.parse(new TextDecoder().decode(await inflate(text)));
}

/**
 * Arrays of float32 bits, of which all first bytes come first, then all second ones, and so on.
 * @param {{sizes: Object<string, number>, bytes: string}} packed
 * @returns {Promise<Object<string, Float32Array>>}
 */
export async function unpackFloats({ sizes, bytes }) {
  const planes = await inflate(bytes);
  const count = planes.length / 4;
  const sorted = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++) {
    for (let index = 0; index < count; index++) {
      sorted[4 * index + plane] = planes[plane * count + index];
    }
  }
  const view = new DataView(sorted.buffer);
  return cut(Float32Array.from({ length: count }, (_, index) => view.getFloat32(4 * index, true)), sizes);
}

/**
 * Arrays of numbers that are places in a list of values.
 * @param {{sizes: Object<string, number>, bytes: string, values: number[]}} packed
 * @returns {Promise<Object<string, Float32Array>>}
 */
export async function unpackCodes({ sizes, bytes, values }) {
  return cut(Float32Array.from(await inflate(bytes), (code) => values[code]), sizes);
}

function cut(values, sizes) {
  const arrays = {};
  let start = 0;
  for (const [name, size] of Object.entries(sizes)) {
    arrays[name] = values.subarray(start, start + size);
    start += size;
  }
  return arrays;
}
