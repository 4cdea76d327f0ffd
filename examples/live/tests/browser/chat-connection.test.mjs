// The connection of the chat without a browser: tokens, pauses, deadlines.
import assert from "node:assert/strict";
import test from "node:test";
import { Backoff, Bucket } from "../../page/pace.js";
import { list } from "../../page/words.js";
import { World, settled, connection } from "./chat-world.mjs";

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
  const tooMany = "too many connections of this user";
  world.answer = () => new Response(`${tooMany}\n`, { status: 429, headers: { "retry-after": "5" } });
  await world.pass(2000);
  world.drop();
  await settled();
  assert.equal(states.at(-1), 9000);
  world.answer = () => new Promise(() => {});
  await world.pass(9000);
  world.drop();
  await world.pass(10_000);
  assert.equal(states.at(-1), 8000);
  assert.deepEqual(reasons.filter(Boolean), [
    "too many connections",
    "the token was used",
    tooMany,
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
