// The messages of the dashboard, and what is drawn of them. No document in here: tests run it without a browser.

const VERSION = 1;
const HEAD = 8; // bytes
const SAMPLE = 48;
/** The samples of 60 s that are kept. */
const KEPT = 600;

/** The values of a sample, in their order in a message. */
export const VALUES = [
  "messagesIn", "messagesOut", "bytesIn", "bytesOut", "chats", "sockets", "cpu", "memory", "median", "p99",
];

/**
 * Decodes a message: `{ follows, samples: [{ at, messagesIn, … }] }`. `at`: milliseconds since 1970. Values that are
 * not known are NaN. Throws if it is of another version or length.
 */
export function decode(buffer) {
  const view = new DataView(buffer);
  const version = view.getUint8(0);
  if (version !== VERSION) throw new RangeError(`version ${version} of the messages`);
  const count = view.getUint16(2);
  if (view.byteLength !== HEAD + count * SAMPLE) throw new RangeError("length of a message");
  const samples = [];
  for (let start = HEAD; start < view.byteLength; start += SAMPLE) {
    const sample = { at: view.getFloat64(start) };
    VALUES.forEach((name, i) => (sample[name] = view.getFloat32(start + 8 + 4 * i)));
    samples.push(sample);
  }
  return { follows: view.getUint8(1) === 1, samples };
}

/** The samples of the last 60 s, old ones first. */
export class History {
  samples = [];

  add({ follows, samples }) {
    this.samples = (follows ? [...this.samples, ...samples] : samples).slice(-KEPT);
  }

  /** The sample nearest to `age` milliseconds before the newest one. */
  before(age) {
    const at = this.samples.at(-1)?.at - age;
    const distance = (sample) => Math.abs(sample.at - at);
    return this.samples.reduce((best, sample) => (distance(sample) < distance(best) ? sample : best), this.samples[0]);
  }

  /** `{ lowest, highest }` of a value; NaN if it is not known. */
  range(name) {
    const known = this.samples.map((sample) => sample[name]).filter((value) => !Number.isNaN(value));
    if (known.length === 0) return { lowest: NaN, highest: NaN };
    return { lowest: Math.min(...known), highest: Math.max(...known) };
  }
}

/** The next of 1, 2, 5, 10, 20 … that is not below `value`, and at least `least`. */
export function ceiling(value, least) {
  if (!(value > least)) return least;
  const power = 10 ** Math.floor(Math.log10(value));
  // 5.000001 is 5: the values have 24 bits.
  const step = [1, 2, 5, 10].find((step) => value <= step * power * 1.000001);
  return step * power;
}

/** The `d` of an SVG path in a box of `width` × `height` whose right edge is the newest sample. NaN is a gap. */
export function path(samples, name, { span, top, width, height }) {
  const newest = samples.at(-1)?.at;
  let line = "";
  let pen = "M";
  for (const sample of samples) {
    const value = sample[name];
    const x = width * (1 - (newest - sample.at) / span);
    if (Number.isNaN(value) || x < 0) {
      pen = "M";
      continue;
    }
    const y = height * (1 - Math.min(value / top, 1));
    line += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return line;
}

const round = (value) => (value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString());

function scaled(value, units) {
  let i = 0;
  while (value >= 1000 && i < units.length - 1) {
    value /= 1000;
    i += 1;
  }
  return `${round(value)} ${units[i]}`;
}

const known = (format) => (value) => (Number.isNaN(value) ? "–" : format(value));

export const count = known(round);
export const perSecond = known((value) => `${round(value)} /s`);
export const bytes = known((value) => scaled(value, ["B", "kB", "MB", "GB"]));
export const bytesPerSecond = known((value) => scaled(value, ["B/s", "kB/s", "MB/s", "GB/s"]));
export const percent = known((value) => `${round(value * 100)} %`);
export const seconds = known((value) => scaled(value * 1e6, ["µs", "ms", "s"]));
