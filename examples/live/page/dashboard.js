// The page of the dashboard: one connection, six plots, a table of the same values.
import { make, setText } from "./dom.js";
import { Backoff } from "./pace.js";
import {
  History, bytes, bytesPerSecond, ceiling, count, decode, path, percent, perSecond, seconds,
} from "./samples.js";

const SPAN = 60_000; // milliseconds of a plot
const WIDTH = 600; // of the drawing, which is stretched to its place
const HEIGHT = 100;
/** A server that is well sends two messages a second. Also the limit of a handshake. Milliseconds. */
const SILENCE = 10_000;

/** `least`: the top of a plot if all is quiet. */
const PLOTS = [
  { title: "Chat messages", format: perSecond, least: 10, lines: { messagesIn: "from clients", messagesOut: "to clients" } },
  { title: "Bytes", format: bytesPerSecond, least: 1000, lines: { bytesIn: "received", bytesOut: "sent" } },
  { title: "Connections", format: count, least: 10, lines: { chats: "chat", sockets: "all" } },
  { title: "Time to publish", format: seconds, least: 0.001, lines: { median: "median", p99: "99 of 100 within" } },
  { title: "CPU", format: percent, least: 1, lines: { cpu: "of one processor" } },
  { title: "Memory", format: bytes, least: 1e6, lines: { memory: "resident" } },
];

const $ = (id) => document.getElementById(id);
const history = new History();
let marked = 0; // milliseconds before the newest sample
let paused = false;

// The plots

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Adds a plot and its rows of the table. Returns the function that draws them. */
function addPlot({ title, format, least, lines }) {
  const label = `${title} in the last 60 seconds. The table below has the values.`;
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  const middle = { x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2 };
  const mark = svg("line", { class: "mark", y1: 0, y2: HEIGHT });
  drawing.append(svg("line", middle), mark);
  const legend = make("ul", "legend");
  const top = make("span", "top");
  const series = Object.entries(lines).map(([name, words], i) => {
    const order = ["first", "second"][i];
    const line = svg("path", { class: order });
    drawing.append(line);
    const now = make("b");
    legend.append(make("li", order, `${words} `, now));
    const cells = [1, 2, 3].map(() => make("td", "num"));
    const head = make("th", "", `${title}, ${words}`);
    head.scope = "row";
    $("rows").append(make("tr", "", head, ...cells));
    return { name, line, now, cells };
  });
  const ends = make("div", "ends", make("span", "", "60 s ago"), make("span", "", "now"));
  const plot = make("div", "plot", drawing, top, ends);
  $("plots").append(make("section", "card", make("h2", "", title), legend, plot));
  follow(drawing);

  return (sample) => {
    const ranges = series.map(({ name }) => history.range(name));
    const highest = Math.max(...ranges.map(({ highest }) => highest).filter((value) => !Number.isNaN(value)));
    const box = { span: SPAN, top: ceiling(highest, least), width: WIDTH, height: HEIGHT };
    setText(top, format(box.top));
    const x = WIDTH * (1 - marked / SPAN);
    mark.setAttribute("x1", x);
    mark.setAttribute("x2", x);
    mark.toggleAttribute("hidden", marked === 0);
    series.forEach(({ name, line, now, cells: [value, low, high] }, i) => {
      line.setAttribute("d", path(history.samples, name, box));
      setText(now, format(sample[name]));
      setText(value, format(sample[name]));
      setText(low, format(ranges[i].lowest));
      setText(high, format(ranges[i].highest));
    });
  };
}

/** A pointer over a plot marks a time, as the slider does. */
function follow(drawing) {
  const point = (event) => {
    const { left, width } = drawing.getBoundingClientRect();
    select(SPAN * Math.min(Math.max(1 - (event.clientX - left) / width, 0), 1));
  };
  drawing.addEventListener("pointermove", point);
  drawing.addEventListener("pointerdown", point);
  drawing.addEventListener("pointerleave", () => select(0));
}

const plots = PLOTS.map(addPlot);

function draw() {
  const sample = history.before(marked);
  if (sample !== undefined) for (const plot of plots) plot(sample);
}

// The time

function select(age) {
  marked = age;
  const ago = (age / 1000).toFixed(1);
  const text = age === 0 ? "now" : `${ago} s ago`;
  $("age").value = -age / 1000;
  $("age").setAttribute("aria-valuetext", text);
  setText($("age-text"), text);
  draw();
}

$("age").addEventListener("input", () => select(-1000 * $("age").value));

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  expect();
  update();
});

// The connection

const backoff = new Backoff();
let socket = null;
let openedAt = 0;
let timer;
/** Messages that arrived since the last drawing. */
let arrived = [];
let scheduled = false;

function connect() {
  socket?.close();
  const url = new URL("dashboard/stream", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  const current = (socket = new WebSocket(url));
  socket.binaryType = "arraybuffer";
  socket.onopen = () => (openedAt = performance.now());
  socket.onmessage = ({ data }) => {
    if (socket === current) receive(data);
  };
  socket.onclose = () => {
    if (socket === current) reconnect();
  };
  show("wait", "Connecting");
  expect();
}

function reconnect() {
  clearTimeout(timer);
  const lost = socket;
  socket = null;
  arrived = [];
  lost?.close();
  const pause = backoff.pause(openedAt === 0 ? 0 : performance.now() - openedAt);
  openedAt = 0;
  timer = setTimeout(connect, pause);
  show("bad", `Not connected. Next try in ${Math.ceil(pause / 1000)} s`);
}

/** A connection can end without a word. A page that is hidden or pauses does not answer, so it expects nothing. */
function expect() {
  if (socket === null) return; // the timer is that of the next try
  clearTimeout(timer);
  if (!document.hidden && !paused) timer = setTimeout(reconnect, SILENCE);
}

function receive(data) {
  expect();
  show("good", "Live");
  arrived.push(data);
  // A page that is hidden gets no frame, so it does not answer, and the server sends no more: when the page is seen
  // again, one message has all that it has missed.
  if (!scheduled) requestAnimationFrame(update);
  scheduled = true;
}

function update() {
  scheduled = false;
  for (const message of paused ? [] : arrived.splice(0)) {
    try {
      history.add(decode(message));
    } catch (error) {
      show("bad", `Reload the page: ${error.message}`); // another version of the server
      const other = socket;
      socket = null;
      clearTimeout(timer);
      other?.close();
      return;
    }
    socket?.send(new Uint8Array(0));
  }
  if (!paused) draw();
}

function show(state, text) {
  $("status").dataset.state = state;
  setText($("status"), text);
}

document.addEventListener("visibilitychange", expect);
addEventListener("online", () => {
  if (socket === null || socket.readyState !== WebSocket.OPEN) connect();
});
connect();
