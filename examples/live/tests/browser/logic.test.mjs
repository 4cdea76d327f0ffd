// The logic of the page without a browser: `node --test`.
import assert from "node:assert/strict";
import test from "node:test";
import { Connection } from "../../page/connection.js";
import { Backoff, Bucket } from "../../page/pace.js";
import { MOST_MESSAGES, Room } from "../../page/room.js";
import { Session } from "../../page/session.js";
import { list } from "../../page/words.js";

const A = "000000000000000a";
const B = "000000000000000b";

/** A clock that the test moves, a server that the test plays. */
class World {
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

const settled = () => new Promise((resolve) => setImmediate(resolve));

function connection(world) {
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

async function session({ rooms = ["lobby"] } = {}) {
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

const joined = (room, epoch = A, offset = 0, recovered = false) => ({
  type: "joined",
  room,
  epoch,
  offset,
  recovered,
  members: ["Ann"],
  count: 1,
});
const message = (offset, id, from = "Bob", epoch = A, room = "lobby") => ({
  type: "message",
  room,
  epoch,
  offset,
  id,
  from,
  text: `text of ${id}`,
  at: offset,
});
const ack = ({ room, id }, offset, epoch = A) => ({ type: "ack", room, id, epoch, offset, duplicate: false });
const shown = (room) =>
  [...room.shown()].map((item) => (item.kind === "message" ? `${item.from} ${item.text} ${item.state}` : item.kind));

test("the back-off doubles up to 30 s and starts again after a stable connection", () => {
  const backoff = new Backoff(() => 1);
  assert.deepEqual(
    Array.from({ length: 7 }, () => backoff.pause()),
    [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000],
  );
  assert.equal(backoff.pause(9999), 30_000);
  assert.equal(backoff.pause(10_000), 1000);
  assert.equal(new Backoff(() => 0.25).pause(), 250);
});

test("the bucket gives its burst and then its rate", () => {
  const bucket = new Bucket(10, 3, 0);
  assert.deepEqual(
    [bucket.take(0), bucket.take(0, 2), bucket.take(0), bucket.take(0), bucket.take(0)],
    [true, false, true, true, false],
  );
  assert.equal(bucket.wait(0), 100);
  assert.ok(!bucket.take(99) && bucket.take(100));
  bucket.empty(5000);
  assert.ok(!bucket.take(5000));
});

test("names in words", () => {
  const plain = (...names) => list(names).replace(/[\u2068\u2069]/g, "");
  assert.deepEqual(
    [plain("A"), plain("A", "B"), plain("A", "B", "C"), plain("A", "B", "C", "D")],
    ["A", "A and B", "A, B and C", "A, B and 2 others"],
  );
});

test("a new token for each try; the pauses grow; online ends a pause", async () => {
  const world = new World();
  world.tokens = [
    { status: 0 },
    { status: 0 },
    { status: 200, body: { token: "one" } },
    { status: 200, body: { token: "two" } },
  ];
  const { made, states } = connection(world);
  made.start("Ann");
  await world.pass(3000);
  assert.equal(world.socket.url, "ws://example.com/chat?token=one");
  world.drop();
  await settled();
  assert.deepEqual(states, ["connecting", 1000, "connecting", 2000, "connecting", 4000]);
  made.renew();
  await settled();
  assert.equal(world.socket.url, "ws://example.com/chat?token=two");
  await world.up();
  assert.equal(states.at(-1), "up");
  assert.deepEqual(world.names, Array(4).fill("Ann"));
});

test("Retry-After is waited for, also if the browser comes online", async () => {
  const world = new World();
  world.tokens = [
    { status: 503, body: { error: "full" }, retryAfter: "7" },
    { status: 200, body: { token: "t" } },
  ];
  const { made, states } = connection(world);
  made.start("Ann");
  await settled();
  assert.deepEqual(states, ["connecting", 8000]);
  made.hurry();
  await world.pass(6999);
  assert.equal(states.length, 2);
  await world.pass(1);
  made.hurry();
  await world.up();
  assert.equal(states.at(-1), "up");
});

test("a refused handshake: the reason and Retry-After", async () => {
  const world = new World();
  const { made, states, reasons } = connection(world);
  world.answer = () => new Response("too many connections\n", { status: 503, headers: { "retry-after": "5" } });
  made.start("Ann");
  await settled();
  world.drop();
  await settled();
  assert.equal(states.at(-1), 6000);
  world.answer = () => new Response("the token was used\n", { status: 401 });
  await world.pass(6000);
  world.drop();
  await settled();
  assert.equal(states.at(-1), 2000);
  world.answer = () => new Promise(() => {});
  await world.pass(2000);
  world.drop();
  await world.pass(10_000);
  assert.equal(states.at(-1), 4000);
  assert.deepEqual(reasons.filter(Boolean), [
    "too many connections",
    "the token was used",
    "the server does not answer",
  ]);
});

test("a name that is refused, and 1008, end it; 1001 and others do not", async () => {
  const world = new World();
  world.tokens = [
    { status: 400, body: { error: "too long" } },
    { status: 200, body: { token: "t" } },
  ];
  const { made, states } = connection(world);
  made.start("Ann");
  await world.pass(60_000);
  assert.deepEqual(states, ["connecting", "too long"]);
  made.start("Ann");
  await world.up();
  for (const code of [1001, 1006, 1013]) {
    world.drop(code);
    assert.equal(made.state, "waiting");
    await world.pass(states.at(-1));
    await world.up();
  }
  world.drop(1008, "too many messages");
  await world.pass(60_000);
  assert.equal(states.at(-1), "too many messages");
  assert.equal(world.timers.size, 0);
  made.start("Ann");
  await world.up();
  assert.equal(made.state, "up");
});

test("steps that take 10 s are given up, and what an old connection says is ignored", async () => {
  const world = new World();
  const { made, seen, states } = connection(world);
  made.start("Ann");
  await world.pass(10_000);
  assert.ok(world.socket.closed);
  assert.equal(states.at(-1), 1000);
  await world.pass(1000);
  world.socket.onopen();
  await world.pass(10_000);
  assert.equal(states.at(-1), 2000);
  await world.pass(2000);
  await world.up();
  const [old] = world.sockets;
  old.onclose({ code: 1006, reason: "" });
  world.give({ type: "engine", state: "away" }, old);
  assert.equal(made.state, "up");
  assert.deepEqual(
    seen.map(({ type }) => type),
    ["hello"],
  );
  world.socket.onmessage({ data: "no JSON" });
});

test("a room keeps the order, ignores what it has, and notices a gap", () => {
  const room = new Room("lobby");
  assert.equal(room.message(message(1, "b1"), "Ann"), "gap");
  room.joined(joined("lobby"));
  assert.equal(room.message(message(1, "b1"), "Ann"), "added");
  assert.equal(room.message(message(1, "b1"), "Ann"), "known");
  assert.equal(room.message(message(3, "b3"), "Ann"), "gap");
  assert.equal(room.message(message(2, "x", "Bob", B), "Ann"), "gap");
  assert.deepEqual(room.position, { epoch: A, offset: 1 });
  assert.equal(room.unread, 1);
});

test("an own message has its place by its offset, whether its ack or itself comes first", () => {
  for (const ackFirst of [true, false]) {
    const room = new Room("lobby");
    room.joined(joined("lobby"));
    room.say("a1", "Ann", "one", 0);
    room.say("a2", "Ann", "two", 0);
    assert.equal(room.next().id, "a1");
    if (ackFirst) room.ack(ack(message(0, "a1"), 2));
    room.message(message(1, "b1"), "Ann");
    room.message(message(2, "a1", "Ann"), "Ann");
    if (!ackFirst) room.ack(ack(message(0, "a1"), 2));
    assert.deepEqual(shown(room), ["Bob text of b1 sent", "Ann one sent", "Ann two sending"]);
    assert.equal(room.next().id, "a2");
    assert.equal(room.unread, 1);
  }
});

test("an ack of a message whose place has passed keeps it once", () => {
  const room = new Room("lobby");
  room.joined(joined("lobby", A, 5));
  room.say("a1", "Ann", "one", 0);
  room.ack(ack(message(0, "a1"), 3));
  assert.deepEqual([room.pending.length, shown(room)], [0, ["Ann one sent"]]);
});

test("after a loss of the history all stays, and a message that is stored again is not shown again", () => {
  const room = new Room("lobby");
  room.joined(joined("lobby"));
  room.message(message(1, "b1"), "Ann");
  room.say("a1", "Ann", "one", 0);
  room.say("a2", "Ann", "two", 0);
  room.ack(ack(message(0, "a1"), 2));
  room.reset({ epoch: B, offset: 0 });
  assert.equal(room.message(message(1, "b1", "Bob", B), "Ann"), "known");
  assert.equal(room.message(message(2, "a2", "Ann", B), "Ann"), "added");
  assert.deepEqual(shown(room), ["Bob text of b1 sent", "Ann one sent", "note", "Ann two sent"]);
  room.joined(joined("lobby", B, 2, true));
  assert.equal(shown(room).length, 4);
  room.joined(joined("lobby", B, 40));
  assert.deepEqual([shown(room).at(-1), room.position.offset], ["note", 40]);
});

test("a room is bounded", () => {
  const room = new Room("lobby");
  room.joined(joined("lobby"));
  for (let offset = 1; offset <= MOST_MESSAGES + 10; offset += 1) room.message(message(offset, `b${offset}`), "Ann");
  assert.equal(room.items.length, MOST_MESSAGES);
  assert.equal(room.items[0].id, "b11");
});

test("unread messages, also over a reload", () => {
  const room = new Room("lobby");
  room.read = { epoch: A, offset: 2 };
  room.joined(joined("lobby"));
  for (const offset of [1, 2, 3]) room.message(message(offset, `b${offset}`), "Ann");
  assert.equal(room.unread, 1);
  room.look(true);
  room.message(message(4, "b4"), "Ann");
  assert.deepEqual([room.unread, room.read.offset], [0, 4]);
});

test("comings and goings are one note, and none for who was away for a moment", () => {
  const room = new Room("lobby");
  room.joined({ ...joined("lobby"), members: ["Ann", "Bob"], count: 2 });
  room.presence({ joined: ["Eve"], left: ["Bob"], count: 2 }, "Ann");
  assert.deepEqual(
    room.items.map(({ joined, left }) => [[...joined], [...left]]),
    [[["Eve"], ["Bob"]]],
  );
  room.presence({ joined: ["Bob"], left: ["Eve"], count: 2 }, "Ann");
  room.presence({ joined: ["Ann"], left: [], count: 2 }, "Ann");
  assert.deepEqual([room.items, [...room.members]], [[], ["Ann", "Bob"]]);
});

test("typing ends by itself", async () => {
  const { world, room } = await session();
  world.give({ type: "typing", room: "lobby", user: "Bob", on: true });
  world.give({ type: "typing", room: "lobby", user: "Eve", on: true });
  world.give({ type: "typing", room: "lobby", user: "Eve", on: false });
  await world.pass(5999);
  assert.deepEqual([...room.typing.keys()], ["Bob"]);
  await world.pass(1);
  assert.equal(room.typing.size, 0);
  assert.equal(world.timers.size, 1, "only the deadline of the join is left");
});

test("the own typing is said once in 3 s, and its end", async () => {
  const { world, made, room } = await session();
  for (let i = 0; i < 40; i += 1) {
    made.typing(room, false);
    await world.pass(100);
  }
  assert.deepEqual(
    world.sent().map(({ on }) => on),
    [true, true],
  );
  await world.pass(4000);
  assert.deepEqual(
    world.sent().map(({ on }) => on),
    [false],
  );
  made.typing(room, false);
  made.typing(room, true);
  assert.deepEqual(
    world.sent().map(({ on }) => on),
    [true, false],
  );
});

test("one message at a time; after a reconnect the rest in order with the same ids", async () => {
  const { world, made, room } = await session();
  for (const text of ["one", "two", "three"]) assert.equal(made.say(room, text), "");
  const [one, ...rest] = world.sent();
  assert.deepEqual([one.text, rest], ["one", []]);
  world.give(ack(one, 1));
  const [two] = world.sent();
  assert.equal(two.text, "two");
  world.drop();
  made.say(room, "four");
  await world.pass(1000);
  await world.up();
  assert.deepEqual(world.sent(), [{ type: "join", room: "lobby", since: { epoch: A, offset: 0 } }]);
  world.give(joined("lobby", A, 0, true));
  // The server had stored both; the page has sent "two" again before it was told.
  world.give(message(1, one.id, "Ann"));
  world.give(message(2, two.id, "Ann"));
  const [again, three] = world.sent();
  assert.deepEqual([again.id, three.text], [two.id, "three"]);
  world.give({ ...ack(again, 2), duplicate: true });
  world.give(message(3, three.id, "Ann"));
  world.give(ack(three, 3));
  const [four, ...more] = world.sent();
  assert.deepEqual([four.text, more], ["four", []]);
  world.give(ack(four, 4));
  world.give(message(4, four.id, "Ann"));
  assert.deepEqual(
    shown(room),
    ["one", "two", "three", "four"].map((text) => `Ann ${text} sent`),
  );
});

test("a server that lost everything gets what it has not acknowledged", async () => {
  const { world, made, room } = await session();
  world.give(message(1, "b1"));
  made.say(room, "one");
  const [{ id }] = world.sent();
  world.drop();
  await world.pass(1000);
  await world.up();
  world.sent();
  world.give(joined("lobby", B, 0, false));
  assert.deepEqual(
    world.sent().map((said) => said.id),
    [id],
  );
  world.give(message(1, id, "Ann", B));
  world.give(ack({ room: "lobby", id }, 1, B));
  assert.deepEqual(shown(room), ["Bob text of b1 sent", "note", "Ann one sent"]);
});

test("no ack in 10 s, or a message that did not come, is a lost connection", async () => {
  const { world, made, room } = await session();
  made.say(room, "one");
  await world.pass(9999);
  assert.equal(made.connection.state, "up");
  await world.pass(1);
  assert.equal(made.connection.state, "waiting");
  await world.pass(1000);
  await world.up();
  world.give(joined("lobby", A, 0, true));
  world.give(message(2, "b2"));
  assert.equal(made.connection.state, "waiting");
});

test("engine away: messages wait, and go when it is up", async () => {
  const { world, made, room } = await session();
  made.say(room, "one");
  const [{ id }] = world.sent();
  world.give({ type: "error", code: "engine_away", reason: "away", room: "lobby", id });
  world.give({ type: "engine", state: "away" });
  made.say(room, "two");
  await world.pass(60_000);
  assert.deepEqual([world.sent(), made.engineAway], [[], true]);
  world.give({ type: "engine", state: "up" });
  assert.deepEqual(
    world.sent().map((said) => said.id),
    [id],
  );
  world.give({ type: "error", code: "engine_away", reason: "away", room: "lobby", id });
  await world.pass(1000);
  assert.deepEqual(
    world.sent().map((said) => said.id),
    [id],
  );
});

test("engine away: a room is joined when it is up", async () => {
  const { world, made } = await session();
  world.give({ type: "engine", state: "away" });
  made.join("help");
  assert.equal(world.sent().length, 1);
  world.give({ type: "error", code: "engine_away", reason: "away", room: "help" });
  await world.pass(60_000);
  assert.equal(world.sent().length, 0);
  world.give({ type: "engine", state: "up" });
  assert.deepEqual(
    world.sent().map(({ type, room }) => [type, room]),
    [["join", "help"]],
  );
});

test("a refused message says why, and the next one goes", async () => {
  const { world, made, room, failures } = await session();
  made.say(room, "one");
  made.say(room, "two");
  const [{ id }] = world.sent();
  world.give({ type: "error", code: "bad_text", reason: "why", room: "lobby", id });
  assert.deepEqual(
    world.sent().map(({ text }) => text),
    ["two"],
  );
  assert.deepEqual(shown(room), ["Ann one refused", "Ann two sending"]);
  assert.equal(room.pending[0].reason, "why");
  assert.notEqual(made.say(room, "12345678901"), "");
  assert.deepEqual(failures, []);
  room.discard(room.pending[0]);
  assert.deepEqual(shown(room), ["Ann two sending"]);
});

test("rate_limited: what has no answer is sent again, later", async () => {
  const { world, made, room } = await session();
  made.say(room, "one");
  const [{ id }] = world.sent();
  world.give({ type: "error", code: "rate_limited", reason: "slow down" });
  await world.pass(999);
  assert.deepEqual(world.sent(), []);
  await world.pass(1);
  assert.deepEqual(
    world.sent().map((said) => said.id),
    [id],
  );
});

test("the page never sends faster than the server allows", async () => {
  const { world, made, room } = await session();
  let sent = 0;
  for (let i = 0; i < 60; i += 1) made.say(room, `${i}`);
  for (let time = 0; time < 2000; time += 10) {
    for (const said of world.sent()) world.give(ack(said, (sent += 1)));
    await world.pass(10);
  }
  assert.ok(sent > 25 && sent < 20 + 20, `${sent} messages in 2 s`);
});

test("a room that cannot be joined is not kept; not_joined joins again", async () => {
  const { world, made, room, failures } = await session();
  made.join("???");
  world.give({ type: "error", code: "bad_room", reason: "bad name" });
  assert.deepEqual([failures, [...made.rooms.keys()]], [[["bad name", "???"]], ["lobby"]]);
  world.sent();
  made.say(room, "one");
  const [{ id }] = world.sent();
  world.give({ type: "error", code: "not_joined", reason: "join first", room: "lobby", id });
  await world.pass(1000);
  assert.deepEqual(
    world.sent().map(({ type }) => type),
    ["join"],
  );
  world.give(joined("lobby", A, 0, true));
  assert.deepEqual(
    world.sent().map((said) => said.id),
    [id],
  );
});

test("leaving and entering again", async () => {
  const { world, made } = await session();
  made.leave("lobby");
  made.join("lobby");
  assert.deepEqual(
    world.sent().map(({ type, since }) => [type, since]),
    [
      ["leave", undefined],
      ["join", undefined],
    ],
  );
  world.give(message(1, "b1")); // of before
  world.give(joined("lobby", A, 0));
  world.give(message(1, "b1"));
  assert.deepEqual(shown(made.rooms.get("lobby")), ["Bob text of b1 sent"]);
});

test("a reload keeps rooms, drafts and what is not acknowledged", async () => {
  const { world, made, room } = await session({ rooms: ["lobby", "help"] });
  made.say(room, "one");
  made.say(room, "two");
  const [one] = world.sent();
  world.give(ack(one, 1)); // its message is still under way
  const [two] = world.sent();
  room.draft = "thr";
  const saved = JSON.parse(JSON.stringify(made.save()));
  const other = new World();
  const again = new Session("http://example.com/", { changed() {}, failed() {} }, other.env);
  again.restore(saved);
  again.start(again.user);
  await other.up();
  assert.deepEqual(
    other.sent().map(({ type, room, since }) => [type, room, since]),
    [
      ["join", "lobby", undefined],
      ["join", "help", undefined],
    ],
  );
  other.give(joined("lobby", A, 0));
  assert.deepEqual(
    other.sent().map(({ id }) => id),
    [two.id],
  );
  assert.equal(again.rooms.get("lobby").draft, "thr");
  again.say(again.rooms.get("help"), "three");
  assert.notEqual(again.rooms.get("help").pending[0].id.split("-")[0], two.id.split("-")[0]);
});

test("what the server would refuse is not sent", async () => {
  const { world, made, room } = await session();
  made.say(room, "a\u0000\u0085\ud800\tb\n😀");
  assert.deepEqual(
    world.sent().map(({ text }) => text),
    ["a\ufffd\tb\n😀"],
  );
  world.drop(1009);
  assert.equal(room.pending[0].state, "refused");
});
