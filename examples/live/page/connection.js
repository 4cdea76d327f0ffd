// A WebSocket to the chat that is made again when it is lost. It knows nothing of rooms.
import { Backoff } from "./pace.js";

/** Time for each step: the token, the handshake, the greeting. Milliseconds. */
const DEADLINE = 10_000;
const MOST_RETRY_AFTER = 300_000;

const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;

/** What a connection needs of the browser. Tests give their own. */
export const browser = {
  fetch: (...args) => fetch(...args),
  connect: (url) => new WebSocket(url),
  setTimeout: (...args) => setTimeout(...args),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => performance.now(),
  random: () => Math.random(),
};

/** The server has refused, and would refuse again. */
class Refused extends Error {}

/** The server has refused, for now. */
class NotNow extends Error {
  constructor(message, retryAfter) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/**
 * States, given to `onState` as `{ state, reason, until, code }`; `code` is the close code of a lost connection:
 *
 *     idle         before `start` and after `stop`
 *     connecting
 *     up           the server has said hello
 *     waiting      the next try is at `until` (of `now()`)
 *     refused      the token was refused: the name is not allowed
 *     stopped      the server has closed for good (1008). `start` tries again
 *
 * `onMessage` gets every message of the server, `hello` included, as an object.
 */
export class Connection {
  state = "idle";
  #base;
  #env;
  #onState;
  #onMessage;
  #backoff;
  #name = "";
  #socket = null;
  #upSince = null;
  #timer;
  #notBefore = 0;
  /** Of the present try. Reports of an earlier one are ignored. */
  #abort = new AbortController();

  /** `base`: the address of the page. */
  constructor(base, { onState, onMessage }, env = browser) {
    this.#base = base;
    this.#onState = onState;
    this.#onMessage = onMessage;
    this.#env = env;
    this.#backoff = new Backoff(env.random);
  }

  start(name) {
    this.#name = name;
    this.#backoff.reset();
    this.#notBefore = 0;
    this.#attempt();
  }

  stop() {
    this.#end();
    this.#enter("idle");
  }

  /** Returns false if there is no connection. */
  send(message) {
    if (this.state !== "up") return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** An answer is overdue: the connection counts as dead. */
  lost(reason) {
    if (this.state === "up") this.#retry(reason);
  }

  /** Ends the pause before the next try, unless the server has asked for it (Retry-After). */
  hurry() {
    if (this.state !== "waiting" || this.#env.now() < this.#notBefore) return;
    this.#attempt();
  }

  /** The browser has a new network. A connection over the old one may be dead without a sign of it. */
  renew() {
    if (this.state === "up") this.#attempt();
    else this.hurry();
  }

  async #attempt() {
    this.#end();
    const { signal } = (this.#abort = new AbortController());
    this.#enter("connecting");
    this.#within("the server does not answer");
    try {
      const token = await this.#token(signal);
      if (!signal.aborted) this.#open(token, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) {
        this.#end();
        this.#enter("refused", { reason: error.message });
      } else if (error instanceof NotNow) {
        this.#retry(error.message, error.retryAfter);
      } else {
        this.#retry("the server cannot be reached");
      }
    }
  }

  /** A token works once and not for long: each try gets its own. */
  async #token(signal) {
    const response = await this.#env.fetch(new URL("token", this.#base), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: this.#name }),
      cache: "no-store",
      signal,
    });
    const body = await response.json().catch(() => ({}));
    if (response.ok && typeof body.token === "string") return body.token;
    const reason = typeof body.error === "string" ? body.error : `the server answered with status ${response.status}`;
    if (isFinal(response.status)) throw new Refused(reason);
    throw new NotNow(reason, retryAfter(response));
  }

  #open(token, signal) {
    const url = new URL("chat", this.#base);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("token", token);
    const socket = (this.#socket = this.#env.connect(url));
    this.#within("the server does not answer");
    let opened = false;
    socket.onopen = () => {
      if (signal.aborted) return;
      opened = true;
      this.#within("the server does not say hello");
    };
    socket.onmessage = ({ data }) => {
      if (!signal.aborted) this.#received(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (signal.aborted) return;
      if (code === POLICY_VIOLATION) {
        this.#end();
        this.#enter("stopped", { reason: reason || "the server has closed the connection (1008)" });
        return;
      }
      if (!opened) return void this.#ask(token, signal);
      // A server that stops says so: there is another one, or there will be soon.
      if (code === GOING_AWAY && this.#upSince !== null) this.#backoff.reset();
      this.#retry(reason || `the connection was lost (${code})`, 0, code);
    };
  }

  /**
   * A script is not told why a handshake was refused. The same request without the handshake has the same answer (401,
   * 429, 503), with its reason and its Retry-After, and does not use up the token.
   */
  async #ask(token, signal) {
    const url = new URL("chat", this.#base);
    url.searchParams.set("token", token);
    try {
      const response = await this.#env.fetch(url, { cache: "no-store", signal });
      const known = [401, 429, 503].includes(response.status);
      const reason = known ? (await response.text()).trim().slice(0, 200) : "";
      if (!signal.aborted) this.#retry(reason || "the server did not accept the connection", retryAfter(response));
    } catch {
      if (!signal.aborted) this.#retry("the server cannot be reached");
    }
  }

  #received(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // a server of another version
    }
    if (this.state === "connecting") {
      if (message.type !== "hello") return;
      this.#env.clearTimeout(this.#timer);
      this.#upSince = this.#env.now();
      this.#enter("up");
    }
    this.#onMessage(message);
  }

  #retry(reason, atLeast = 0, code = 0) {
    const openFor = this.#upSince === null ? 0 : this.#env.now() - this.#upSince;
    this.#end();
    this.#notBefore = this.#env.now() + atLeast;
    // The jitter comes on top of the server's time: it has told the same to others.
    const pause = atLeast + this.#backoff.pause(openFor);
    this.#timer = this.#env.setTimeout(() => this.#attempt(), pause);
    this.#enter("waiting", { reason, until: this.#env.now() + pause, code });
  }

  #within(reason) {
    this.#env.clearTimeout(this.#timer);
    this.#timer = this.#env.setTimeout(() => this.#retry(reason), DEADLINE);
  }

  /** Forgets the present try. */
  #end() {
    this.#abort.abort();
    this.#env.clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = null;
    this.#upSince = null;
  }

  #enter(state, { reason = "", until = 0, code = 0 } = {}) {
    this.state = state;
    this.#onState({ state, reason, until, code });
  }
}

/** Whether the same request would be refused again: 4xx, except those that are about time. */
const isFinal = (status) => status >= 400 && status < 500 && ![408, 425, 429].includes(status);

/** Milliseconds of the header Retry-After, which has seconds or a date. */
function retryAfter({ headers }) {
  const value = headers.get("retry-after");
  if (value === null) return 0;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Math.min(Math.max(wait || 0, 0), MOST_RETRY_AFTER);
}
