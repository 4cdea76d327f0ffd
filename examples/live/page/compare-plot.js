// Lines over time on a canvas, in the colours of the page.

const MARGIN = { top: 10, right: 12, bottom: 24, left: 64 };
/** As in compare.css: solid, dashed, dotted, double. */
const DASHES = [[], [10, 6], [2, 5], []];
const WIDTHS = [2.5, 2.5, 3, 5];

/** A linear scale from 0, with marks at round numbers. */
export function linear(max, format) {
  const step = round(Math.max(max, 1) / 4);
  const top = step * Math.ceil(Math.max(max, 1) / step);
  const marks = [];
  for (let value = 0; value <= top; value += step) marks.push(value);
  return { place: (value) => value / top, marks, format };
}

/** A logarithmic scale with a mark at each power of ten. */
export function logarithmic(min, max, format) {
  const low = Math.floor(Math.log10(min));
  const high = Math.max(low + 1, Math.ceil(Math.log10(max)));
  const marks = [];
  for (let power = low; power <= high; power += 1) marks.push(10 ** power);
  return { place: (value) => (Math.log10(Math.max(value, min)) - low) / (high - low), marks, format };
}

/** The next of 1, 2, 5, 10, 20 … */
function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => value <= step * power);
}

/** `times`: seconds. `lines`: for each line its values, `null` where there is none. */
export function draw(canvas, times, lines, scale) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const color = (name) => style.getPropertyValue(name);
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const first = times[0] ?? 0;
  const span = Math.max(30, (times.at(-1) ?? 0) - first);
  const x = (time) => MARGIN.left + ((time - first) / span) * inner.width;
  const y = (value) => MARGIN.top + (1 - scale.place(value)) * inner.height;

  context.font = `0.75rem ${style.fontFamily}`;
  context.fillStyle = color("--muted");
  context.strokeStyle = color("--line");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const mark of scale.marks) {
    context.beginPath();
    context.moveTo(MARGIN.left, y(mark));
    context.lineTo(width - MARGIN.right, y(mark));
    context.stroke();
    context.fillText(scale.format(mark), MARGIN.left - 8, y(mark));
  }
  context.textBaseline = "bottom";
  context.textAlign = "left";
  context.fillText(`${Math.round(first)} s`, MARGIN.left, height);
  context.textAlign = "right";
  context.fillText(`${Math.round(first + span)} s`, width - MARGIN.right, height);

  context.lineJoin = "round";
  lines.forEach((values, i) => {
    line(context, values, i, color(`--series-${i + 1}`), WIDTHS[i]);
    if (i === 3) line(context, values, i, color("--surface"), 1.5); // a double line
  });

  function line(context, values, i, stroke, lineWidth) {
    context.strokeStyle = stroke;
    context.lineWidth = lineWidth;
    context.setLineDash(DASHES[i]);
    context.beginPath();
    values.forEach((value, at) => {
      if (value !== null) context.lineTo(x(times[at]), y(value));
    });
    context.stroke();
    context.setLineDash([]);
  }
}
