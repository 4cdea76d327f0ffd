// The messages and figures of the dashboard, without a browser: `node --test`.
import assert from "node:assert/strict";
import test from "node:test";
import {
  History, VALUES, bytes, bytesPerSecond, ceiling, count, decode, path, percent, seconds,
} from "../../page/samples.js";

/** A message as src/dashboard.rs describes it. */
function encode(follows, samples, version = 1) {
  const view = new DataView(new ArrayBuffer(8 + 48 * samples.length));
  view.setUint8(0, version);
  view.setUint8(1, follows ? 1 : 0);
  view.setUint16(2, samples.length);
  view.setUint32(4, 100);
  samples.forEach(({ at, values }, i) => {
    view.setFloat64(8 + 48 * i, at);
    values.forEach((value, j) => view.setFloat32(16 + 48 * i + 4 * j, value));
  });
  return view.buffer;
}

const AT = 1_790_000_000_000;
const sample = (i, value = i) => ({ at: AT + 100 * i, values: Array(10).fill(value) });
const samples = (from, to) => Array.from({ length: to - from }, (_, i) => sample(from + i));

test("a message is decoded value by value", () => {
  const values = [1, 2, 3, 4, 5, 6, 0.5, 1 << 20, NaN, 0.25];
  const message = decode(encode(true, [{ at: AT, values }]));
  assert.equal(message.follows, true);
  const [decoded] = message.samples;
  assert.deepEqual(VALUES.map((name) => decoded[name]), values);
  assert.equal(decoded.at, AT);
});

test("a message of another version or length is refused", () => {
  assert.throws(() => decode(encode(true, [sample(0)], 2)), /version 2/);
  assert.throws(() => decode(encode(true, [sample(0)]).slice(0, 40)), /length/);
  assert.throws(() => decode(new ArrayBuffer(0)));
});

test("a snapshot replaces, an update follows, and 60 s are kept", () => {
  const history = new History();
  assert.equal(history.before(0), undefined);
  history.add(decode(encode(false, samples(0, 5))));
  history.add(decode(encode(true, samples(5, 10))));
  assert.deepEqual(history.samples.map(({ chats }) => chats), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(history.before(0).chats, 9);
  assert.equal(history.before(310).chats, 6);
  assert.equal(history.before(60_000).chats, 0);
  history.add(decode(encode(true, samples(10, 700))));
  assert.equal(history.samples.length, 600);
  assert.equal(history.samples[0].chats, 100);
  history.add(decode(encode(false, samples(900, 902))));
  assert.deepEqual(history.samples.map(({ chats }) => chats), [900, 901]);
});

test("the range of a value leaves out what is not known", () => {
  const history = new History();
  assert.deepEqual(history.range("p99"), { lowest: NaN, highest: NaN });
  history.add(decode(encode(false, [sample(0, 3), sample(1, NaN), sample(2, 1)])));
  assert.deepEqual(history.range("p99"), { lowest: 1, highest: 3 });
});

test("the top of a plot is 1, 2 or 5 and not below the values", () => {
  for (const [value, top] of [[0, 10], [10, 10], [11, 20], [20, 20], [21, 50], [51, 100], [1234, 2000], [NaN, 10], [-Infinity, 10]]) {
    assert.equal(ceiling(value, 10), top, String(value));
  }
  assert.equal(ceiling(Math.fround(0.05), 0.001), 0.05);
});

test("a line ends at the right edge, and what is not known is a gap", () => {
  const box = { span: 1000, top: 10, width: 100, height: 10 };
  const list = [[0, 0], [800, 10], [900, NaN], [1000, 5], [1100, 20]].map(([at, chats]) => ({ at, chats }));
  assert.equal(path(list, "chats", box), "M70.0 0.0M90.0 5.0L100.0 0.0");
  assert.equal(path([], "chats", box), "");
});

test("figures have three digits and a unit", () => {
  const cases = [
    [count, 1234.4, "1234"], [count, 0, "0"], [count, NaN, "–"], [percent, 0.1234, "12.3 %"],
    [bytes, 1536, "1.54 kB"], [bytes, 5e9, "5 GB"], [bytesPerSecond, 1e6, "1 MB/s"],
    [seconds, 0.000021, "21 µs"], [seconds, 0.0123, "12.3 ms"], [seconds, 2, "2 s"],
  ];
  for (const [format, value, text] of cases) assert.equal(format(value), text);
});
