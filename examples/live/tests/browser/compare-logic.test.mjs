// The counts and scales of the comparison, without a browser: `node --test`.
import assert from "node:assert/strict";
import test from "node:test";
import { Clock, Tally } from "../../page/compare-counts.js";
import { linear, logarithmic } from "../../page/compare-plot.js";
import { pause } from "../../page/compare-transports.js";

test("holes and repetitions are counted", () => {
  const tally = new Tally(10);
  for (const seq of [11, 12, 12, 15, 11]) tally.take(seq, 1);
  assert.deepEqual([tally.received, tally.missed, tally.doubled, tally.position], [3, 2, 2, 15]);
});

test("quantiles are those of the last 2000 latencies", () => {
  const tally = new Tally(0);
  assert.equal(tally.quantile(0.5), null);
  for (let seq = 1; seq <= 3000; seq += 1) tally.take(seq, seq);
  assert.equal(tally.quantile(0), 1001);
  assert.equal(tally.quantile(0.5), 2001);
  assert.equal(tally.quantile(0.99), 2981);
  assert.equal(tally.quantile(1), 3000);
  tally.take(3001, -0.2); // clocks are not exact
  assert.equal(tally.quantile(0), 0);
});

test("the fresh median is that since the last call", () => {
  const tally = new Tally(0);
  assert.equal(tally.takeFresh(), null);
  [5, 1, 3].forEach((latency, i) => tally.take(i + 1, latency));
  assert.equal(tally.takeFresh(), 3);
  assert.equal(tally.takeFresh(), null);
});

test("the clock believes the fastest answer, as long as it is fresh", () => {
  const clock = new Clock();
  assert.equal(clock.ahead, 0);
  clock.sample(1000, 6010, 1020); // took 20: 5000 ahead
  clock.sample(2000, 7100, 2050); // took 50
  assert.equal(clock.ahead, 5000);
  for (let i = 0; i < 20; i += 1) clock.sample(3000, 8040, 3030); // took 30: 5025 ahead
  assert.equal(clock.ahead, 5025);
});

test("a linear scale has round marks above the maximum", () => {
  const cases = [[0, [0, 0.5, 1]], [100, [0, 50, 100]], [130_000, [0, 50_000, 100_000, 150_000]]];
  for (const [max, marks] of cases) assert.deepEqual(linear(max, String).marks, marks);
  assert.equal(linear(130_000, String).place(75_000), 0.5);
});

test("a logarithmic scale has a mark at each power of ten", () => {
  const scale = logarithmic(0.1, 1000, String);
  assert.deepEqual(scale.marks, [0.1, 1, 10, 100, 1000]);
  assert.equal(scale.place(10), 0.5);
  assert.equal(scale.place(0), 0);
});

test("a pause ends with its signal", { timeout: 5000 }, async () => {
  const controller = new AbortController();
  const long = pause(60_000, controller.signal);
  controller.abort();
  await long;
  await pause(60_000, controller.signal);
  await pause(-1, new AbortController().signal);
});
