// What has arrived, and when.

/** Latencies that are kept, for the median and the 99th percentile. */
const KEPT = 2000;
/** Samples of the clock that are kept: the oldest ones go, because clocks drift. */
const SAMPLES = 20;

/** Milliseconds since 1970, finer than `Date.now()`. */
export function now() {
  return performance.timeOrigin + performance.now();
}

/** How far the clock of the server is ahead of this one. */
export class Clock {
  #samples = [];

  /** The server has answered with its time, in milliseconds. */
  sample(sent, server, received) {
    this.#samples.push({ took: received - sent, ahead: server - (sent + received) / 2 });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  /** The fastest answer is the most exact: the error is at most half of the time that it took. */
  get ahead() {
    const fastest = this.#samples.reduce((a, b) => (b.took < a.took ? b : a), { took: Infinity, ahead: 0 });
    return fastest.ahead;
  }
}

/** Counts the notifications of one transport. */
export class Tally {
  received = 0;
  missed = 0;
  doubled = 0;
  #latencies = [];
  #next = 0;
  #fresh = [];

  /** `position`: the sequence number that the first notification follows. */
  constructor(position) {
    this.position = position;
  }

  /** `latency`: milliseconds. */
  take(seq, latency) {
    if (seq <= this.position) {
      this.doubled += 1;
      return;
    }
    this.missed += seq - this.position - 1;
    this.position = seq;
    this.received += 1;
    latency = Math.max(0, latency);
    this.#latencies[this.#next] = latency;
    this.#next = (this.#next + 1) % KEPT;
    this.#fresh.push(latency);
  }

  /** Of the last notifications; `null` if there are none. `fraction`: 0.5 is the median. */
  quantile(fraction) {
    return quantile(this.#latencies, fraction);
  }

  /** The median of those since the last call. */
  takeFresh() {
    const fresh = this.#fresh;
    this.#fresh = [];
    return quantile(fresh, 0.5);
  }
}

function quantile(values, fraction) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))];
}
