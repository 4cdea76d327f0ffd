// The four transports. Each one calls `view.take(notification)` for what arrives and `view.state(state, text)`, goes on
// behind `view.position` after a failure, and ends with `view.signal`.
import { Backoff } from "./pace.js";

/** Shorter than the default: a page that compares wants to go on. */
const LONGEST_PAUSE = 5000;

export const TRANSPORTS = [
  { id: "poll", name: "Short polling", run: (view) => poll("poll", view, () => view.interval) },
  { id: "long", name: "Long polling", run: (view) => poll("long", view, () => 0) },
  { id: "events", name: "Server-sent events", run: (view) => again(view, events) },
  { id: "ws", name: "WebSocket", run: (view) => again(view, webSocket) },
];

function path(id, view) {
  return `compare/${id}?session=${view.session}&after=${view.position}`;
}

/** Asks, and asks again `interval()` milliseconds later. */
async function poll(id, view, interval) {
  const backoff = new Backoff();
  while (!view.signal.aborted) {
    const begin = performance.now();
    try {
      const response = await fetch(path(id, view), { signal: view.signal });
      if (!response.ok) throw new Error(await response.text());
      for (const notification of await response.json()) view.take(notification);
      view.state("good", "open");
      backoff.reset();
      await pause(interval() - (performance.now() - begin), view.signal);
    } catch {
      await failed(view, backoff);
    }
  }
}

/** Opens a stream, and another one when it has ended. */
async function again(view, open) {
  const backoff = new Backoff();
  while (!view.signal.aborted) {
    const begin = performance.now();
    const opened = await open(view);
    await failed(view, backoff, opened ? performance.now() - begin : 0);
  }
}

async function failed(view, backoff, openFor = 0) {
  if (view.signal.aborted) return;
  view.state("wait", "waiting");
  await pause(Math.min(backoff.pause(openFor), LONGEST_PAUSE), view.signal);
}

/** The browser itself connects again, with the header field Last-Event-ID, unless the server has refused. */
function events(view) {
  return new Promise((resolve) => {
    const source = new EventSource(path("events", view));
    let opened = false;
    const stop = () => {
      source.close();
      view.signal.removeEventListener("abort", stop);
      resolve(opened);
    };
    view.signal.addEventListener("abort", stop);
    source.onopen = () => {
      opened = true;
      view.state("good", "open");
    };
    source.onmessage = (event) => view.take(JSON.parse(event.data));
    source.onerror = () => {
      view.state("wait", "waiting");
      if (source.readyState === EventSource.CLOSED) stop();
    };
  });
}

function webSocket(view) {
  return new Promise((resolve) => {
    const url = new URL(path("ws", view), location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    let opened = false;
    const stop = () => socket.close();
    view.signal.addEventListener("abort", stop);
    socket.onopen = () => {
      opened = true;
      view.state("good", "open");
    };
    socket.onmessage = (event) => view.take(JSON.parse(event.data));
    socket.onclose = () => {
      view.signal.removeEventListener("abort", stop);
      resolve(opened);
    };
  });
}

/** Waits, at most until the signal. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, milliseconds));
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
