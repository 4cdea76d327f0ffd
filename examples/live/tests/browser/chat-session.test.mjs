// The session of the chat without a browser: what is sent when, and what answers mean.
import assert from "node:assert/strict";
import test from "node:test";
import { Session } from "../../page/session.js";
import { A, B, World, session, joined, message, ack, shown } from "./chat-world.mjs";

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
