/** Rows of heat: one value per second as the strength of a color. */

/**
 * The largest value under each pixel.
 * @param {Float32Array} values one per second
 * @param {import("./view.js").View} view
 * @param {number} width pixels
 */
export function maxima(values, view, width) {
  const perPixel = view.span / width;
  const largest = new Float32Array(width);
  for (let pixel = 0; pixel < width; pixel++) {
    const first = Math.floor(view.start + pixel * perPixel);
    const last = Math.min(Math.ceil(view.start + (pixel + 1) * perPixel), values.length);
    let most = first < values.length ? values[first] : 0;
    for (let index = first + 1; index < last; index++) most = Math.max(most, values[index]);
    largest[pixel] = most;
  }
  return largest;
}

/**
 * @param {CanvasRenderingContext2D} context whose transform is left aside: all is device pixels
 * @param {Float32Array} strengths one per pixel, 0..1
 * @param {{hue: Uint8ClampedArray, ground: Uint8ClampedArray}} colors of 1 and of 0
 * @param {number} top
 * @param {number} height
 */
export function paintStrip(context, strengths, { hue, ground }, top, height) {
  const width = strengths.length;
  const image = context.createImageData(width, height);
  const { data } = image;
  for (let pixel = 0; pixel < width; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      data[4 * pixel + channel] =
        ground[channel] + strengths[pixel] * (hue[channel] - ground[channel]);
    }
    data[4 * pixel + 3] = 255;
  }
  for (let row = 1; row < height; row++) data.copyWithin(4 * width * row, 0, 4 * width);
  context.putImageData(image, 0, top);
}
