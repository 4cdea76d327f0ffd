// How fast the page may go: the pause before another connection, and the pause between two messages.

const FIRST = 1000; // milliseconds
const LONGEST = 30_000;
/** A connection that held this long counts as a success. */
const STABLE = 10_000;

/**
 * Exponential back-off with full jitter: a random time below a limit that doubles with each failure, 1 s, 2 s, 4 s …
 * 30 s. If a server fails, all of its pages notice at once: the jitter spreads their next tries.
 */
export class Backoff {
  #failures = 0;
  #random;

  constructor(random = Math.random) {
    this.#random = random;
  }

  /** Returns the pause after a failure. `openFor`: how long the connection was open, if it was. Milliseconds. */
  pause(openFor = 0) {
    if (openFor >= STABLE) this.reset();
    const limit = Math.min(FIRST * 2 ** this.#failures, LONGEST);
    this.#failures = Math.min(this.#failures + 1, 16);
    return this.#random() * limit;
  }

  reset() {
    this.#failures = 0;
  }
}

/** A token bucket like the server's. If each message takes a token here first, the server does not refuse it. */
export class Bucket {
  #rate;
  #burst;
  #tokens;
  #at;

  /** `rate`: tokens per second. `burst`: the most that are saved up. `now`: milliseconds. */
  constructor(rate, burst, now) {
    this.#rate = rate / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes a token if more than `spare` would be left. Returns whether it did. */
  take(now, spare = 0) {
    this.#fill(now);
    if (this.#tokens < 1 + spare) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Milliseconds until there is a token. */
  wait(now) {
    this.#fill(now);
    return Math.max(0, Math.ceil((1 - this.#tokens) / this.#rate));
  }

  /** The server has counted otherwise: starts again without tokens. */
  empty(now) {
    this.#tokens = 0;
    this.#at = now;
  }

  #fill(now) {
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#at) * this.#rate);
    this.#at = now;
  }
}
