// The tests of the chat's logic: a clock, a server that the test plays, and messages.
import { Connection } from "../../page/connection.js";
import { Session } from "../../page/session.js";

export const A = "000000000000000a";
export const B = "000000000000000b";

/** A clock that the test moves, a server that the test plays. */
export class World {
  time = 0;
  timers = new Map();
  last = 0;
  sockets = [];
  names = [];
  /** Answers to POST /token: { status, body, retryAfter }. The last one is repeated. */
  tokens = [{ status: 200, body: { token: "t" } }];
  /** To the request that asks why a handshake was refused. */
  answer = () => new Response("", { status: 400 });
  env = {
    fetch: async (_, { body }) => {
      if (body === undefined) return this.answer();
      this.names.push(JSON.parse(body).name);
      const { status, body: answer = {}, retryAfter } = this.tokens.length > 1 ? this.tokens.shift() : this.tokens[0];
      if (status === 0) throw new TypeError("network");
      return new Response(JSON.stringify(answer), { status, headers: retryAfter ? { "retry-after": retryAfter } : {} });
    },
    connect: (url) => {
      const socket = { url: String(url), sent: [], closed: false, send: (text) => socket.sent.push(JSON.parse(text)) };
      socket.close = () => (socket.closed = true);
      this.sockets.push(socket);
      return socket;
    },
    setTimeout: (call, delay = 0) => {
      this.timers.set(++this.last, { call, at: this.time + delay });
      return this.last;
    },
    clearTimeout: (id) => this.timers.delete(id),
    now: () => this.time,
    random: () => 1,
  };

  get socket() {
    return this.sockets.at(-1);
  }

  async pass(milliseconds) {
    const end = this.time + milliseconds;
    for (;;) {
      await settled();
      const [next] = [...this.timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!next) break;
      this.timers.delete(next[0]);
      this.time = next[1].at;
      next[1].call();
    }
    this.time = end;
  }

  give(message, socket = this.socket) {
    socket.onmessage({ data: JSON.stringify(message) });
  }

  async up(engine = "up") {
    await settled();
    this.socket.onopen();
    this.give({ type: "hello", user: "Ann", node: "n1", engine, limits: { text: 10, rooms: 10, rate: 10, burst: 20 } });
  }

  drop(code = 1006, reason = "") {
    this.socket.onclose({ code, reason });
  }

  /** What was sent since the last call. */
  sent() {
    return this.socket.sent.splice(0);
  }
}

export const settled = () => new Promise((resolve) => setImmediate(resolve));

export function connection(world) {
  const seen = [];
  const states = [];
  const reasons = [];
  const onState = ({ state, reason, until }) =>
    reasons.push(reason) && states.push(state === "waiting" ? Math.round(until - world.time) : reason || state);
  const made = new Connection(
    "http://example.com/#lobby",
    { onState, onMessage: (message) => seen.push(message) },
    world.env,
  );
  return { made, seen, states, reasons };
}

export async function session({ rooms = ["lobby"] } = {}) {
  const world = new World();
  const failures = [];
  const made = new Session(
    "http://example.com/",
    { changed() {}, failed: (...args) => failures.push(args) },
    world.env,
  );
  made.start("Ann");
  await world.up();
  for (const name of rooms) {
    made.join(name);
    world.give(joined(name));
  }
  world.sent();
  return { world, made, failures, room: made.rooms.get(rooms[0]) };
}

export const joined = (room, epoch = A, offset = 0, recovered = false) => ({
  type: "joined",
  room,
  epoch,
  offset,
  recovered,
  members: ["Ann"],
  count: 1,
});
export const message = (offset, id, from = "Bob", epoch = A, room = "lobby") => ({
  type: "message",
  room,
  epoch,
  offset,
  id,
  from,
  text: `text of ${id}`,
  at: offset,
});
export const ack = ({ room, id }, offset, epoch = A) => ({ type: "ack", room, id, epoch, offset, duplicate: false });
export const shown = (room) =>
  [...room.shown()].map((item) => (item.kind === "message" ? `${item.from} ${item.text} ${item.state}` : item.kind));
