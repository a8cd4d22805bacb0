/** The colors of the style sheet, for what is drawn on a canvas. */

const PATTERN_SIZE = 8;

/**
 * Colors and patterns as they are at the moment: light or dark, on screen or in print.
 * @param {string[]} modalities their names
 */
export function readPalette(modalities) {
  const probe = document.body.appendChild(document.createElement("i"));
  const colorOf = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const palette = Object.fromEntries(
    ["accent", "ink", "lane", "truth", "mark"].map((name) => [name, colorOf(name)]),
  );
  palette.modalities = modalities.map((name) => {
    const hue = colorOf(name.replace("_", "-"));
    const pattern = patternOf(name, colorOf("gap"));
    return { hue, rgb: rgbOf(hue), edge: colorOf(`${name.replace("_", "-")}-edge`), pattern };
  });
  palette.laneRgb = rgbOf(palette.lane);
  palette.any = { rgb: rgbOf(palette.truth) };
  probe.remove();
  return palette;
}

/** A color as three bytes, in whatever way it is written. */
function rgbOf(color) {
  const context = sketch(1);
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

/** Stripes for what is heard, dots for what is seen, nothing for both. */
function patternOf(modality, color) {
  const context = sketch(PATTERN_SIZE * devicePixelRatio);
  context.scale(devicePixelRatio, devicePixelRatio);
  context.fillStyle = context.strokeStyle = color;
  if (modality === "audio") {
    context.lineWidth = 2.4;
    for (const x of [-PATTERN_SIZE, 0, PATTERN_SIZE]) {
      context.moveTo(x - 1, PATTERN_SIZE + 1);
      context.lineTo(x + PATTERN_SIZE + 1, -1);
    }
    context.stroke();
  } else if (modality === "visual") {
    context.arc(PATTERN_SIZE / 2, PATTERN_SIZE / 2, 1.8, 0, 2 * Math.PI);
    context.fill();
  }
  return context.canvas;
}

function sketch(size) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(size);
  return canvas.getContext("2d", { willReadFrequently: true });
}
