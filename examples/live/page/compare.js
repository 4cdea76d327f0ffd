// The comparison: a session at the server, four transports that read it, and what they cost.
import { Clock, Tally, now } from "./compare-counts.js";
import { draw, linear, logarithmic } from "./compare-plot.js";
import { TRANSPORTS, pause } from "./compare-transports.js";
import { make, setText } from "./dom.js";
import { Backoff } from "./pace.js";

/** Between two looks at the counts of the server, which end a session without requests after 30 s. */
const LOOK = 1000;
/** Looks that the plots show. */
const SHOWN = 300;

const at = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

/** What the table shows of a transport: `counts` are the server's, of its socket. */
const ROWS = [
  ["Arrived", (view) => number.format(view.tally.received)],
  ["Missed", (view) => number.format(view.tally.missed)],
  ["Arrived twice", (view) => number.format(view.tally.doubled)],
  ["Latency, median", (view) => milliseconds(view.tally.quantile(0.5)), "main"],
  ["Latency, 99 %", (view) => milliseconds(view.tally.quantile(0.99))],
  ["Requests", (view) => number.format(view.counts.requests)],
  ["Bytes received", (view) => number.format(view.counts.bytes_out), "main"],
  ["Bytes sent", (view) => number.format(view.counts.bytes_in), "main"],
  ["Bytes for each that arrived", (view) => each(view)],
];

function each({ counts, tally }) {
  return tally.received === 0 ? "–" : number.format(Math.round((counts.bytes_in + counts.bytes_out) / tally.received));
}

function milliseconds(value) {
  if (value === null) return "–";
  return value < 10 ? `${value.toFixed(1)} ms` : `${number.format(Math.round(value))} ms`;
}

class GoneError extends Error {}

/** One session, from its start until it is stopped or the server has forgotten it. */
class Run {
  #controller = new AbortController();
  #clock = new Clock();
  #begin = performance.now();
  #times = [];
  #bytes = TRANSPORTS.map(() => []);
  #latencies = TRANSPORTS.map(() => []);

  constructor({ session, seq }) {
    this.session = session;
    this.views = TRANSPORTS.map((transport) => ({
      session,
      signal: this.#controller.signal,
      interval: 1000,
      tally: new Tally(seq),
      counts: { bytes_in: 0, bytes_out: 0, requests: 0 },
      get position() {
        return this.tally.position;
      },
      take: (notification) => this.#take(transport, notification),
      state: (state, text) => showState(transport, state, text),
    }));
  }

  static async open(rate) {
    const response = await fetch(`compare/session?rate=${rate}`, { method: "POST" });
    if (!response.ok) throw new Error(await response.text());
    return new Run(await response.json());
  }

  #take(transport, { seq, at }) {
    const { tally } = this.views[TRANSPORTS.indexOf(transport)];
    tally.take(seq, now() + this.#clock.ahead - at / 1000);
  }

  setInterval(interval) {
    for (const view of this.views) view.interval = interval;
  }

  stop() {
    this.#controller.abort();
  }

  /** Runs until `stop`. Throws if the session has ended. */
  async run() {
    const { signal } = this.#controller;
    // The first latency needs the clock of the server.
    for (let i = 0; i < 5; i += 1) await this.#look();
    TRANSPORTS.forEach((transport, i) => transport.run(this.views[i]));
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        if (error instanceof GoneError) throw error;
      }
      if (!signal.aborted) this.#sample();
      await pause(LOOK, signal);
    }
  }

  async #look() {
    const sent = now();
    const response = await fetch(`compare/stats?session=${this.session}`);
    if (response.status === 404) throw new GoneError(await response.text());
    if (!response.ok) throw new Error(await response.text());
    const received = now();
    const stats = await response.json();
    this.#clock.sample(sent, stats.now / 1000, received);
    TRANSPORTS.forEach(({ id }, i) => (this.views[i].counts = stats[id]));
  }

  #sample() {
    this.#times.push((performance.now() - this.#begin) / 1000);
    this.views.forEach(({ counts, tally }, i) => {
      this.#bytes[i].push(counts.bytes_in + counts.bytes_out);
      this.#latencies[i].push(tally.takeFresh());
    });
    if (this.#times.length > SHOWN) {
      for (const list of [this.#times, ...this.#bytes, ...this.#latencies]) list.shift();
    }
    this.show();
  }

  show() {
    ROWS.forEach(([, value], row) => this.views.forEach((view, i) => setText(cells[row][i], value(view))));
    setText(at("elapsed"), `${Math.round(this.#times.at(-1) ?? 0)} s`);
    const max = Math.max(0, ...this.#bytes.map((values) => values.at(-1) ?? 0));
    draw(at("bytes"), this.#times, this.#bytes, linear(max, (value) => number.format(value)));
    const latencies = this.#latencies.flat().filter((value) => value !== null);
    const scale = logarithmic(0.1, Math.max(1000, ...latencies), (value) => `${number.format(value)} ms`);
    draw(at("latency"), this.#times, this.#latencies, scale);
  }
}

const states = TRANSPORTS.map(() => make("span", "status"));
const cells = ROWS.map(() => TRANSPORTS.map(() => make("td", "num")));

function buildTable() {
  TRANSPORTS.forEach(({ name }, i) => {
    const head = make("th", "", make("span", `line series-${i + 1}`), name);
    head.scope = "col";
    at("names").append(head);
  });
  const row = (name, className, columns) => {
    const head = make("th", "", name);
    head.scope = "row";
    at("results").append(make("tr", className, head, ...columns));
  };
  row("State", "", states.map((state) => make("td", "num", state)));
  ROWS.forEach(([name, , className], i) => row(name, className ?? "", cells[i]));
}

function showState(transport, state, text) {
  const element = states[TRANSPORTS.indexOf(transport)];
  element.dataset.state = state;
  setText(element, text);
}

function showStatus(state, text) {
  at("status").dataset.state = state;
  setText(at("status"), text);
}

function notify(text) {
  at("notice").hidden = text === "";
  setText(at("notice"), text);
}

let current = null;
let wanted = null;

/** Runs sessions until another start or the stop. */
async function start() {
  stop();
  const mine = new AbortController();
  wanted = mine;
  at("toggle").textContent = "Stop";
  const backoff = new Backoff();
  while (!mine.signal.aborted) {
    const begin = performance.now();
    try {
      showStatus("wait", "connecting");
      const run = await Run.open(at("rate").value);
      if (mine.signal.aborted) return;
      current = run;
      run.setInterval(Number(at("interval").value));
      notify("");
      showStatus("good", "running");
      await run.run();
    } catch (error) {
      if (mine.signal.aborted) return;
      current?.stop();
      notify(error instanceof GoneError ? "The session has ended. Another one begins." : `${error.message}. Trying again.`);
      showStatus("wait", "waiting");
      await pause(backoff.pause(performance.now() - begin), mine.signal);
    }
  }
}

function stop() {
  wanted?.abort();
  current?.stop();
  at("toggle").textContent = "Start";
  for (const transport of TRANSPORTS) showState(transport, "", "closed");
  showStatus("", "stopped");
}

buildTable();
at("controls").addEventListener("submit", (event) => event.preventDefault());
at("rate").addEventListener("change", start);
at("interval").addEventListener("change", () => current?.setInterval(Number(at("interval").value)));
at("toggle").addEventListener("click", () => (wanted?.signal.aborted === false ? stop() : start()));
addEventListener("resize", () => current?.show());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => current?.show());
start();
