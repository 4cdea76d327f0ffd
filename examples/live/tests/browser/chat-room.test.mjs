// The messages of a room without a browser: their order, and each of them once.
import assert from "node:assert/strict";
import test from "node:test";
import { MOST_MESSAGES, Room } from "../../page/room.js";
import { A, B, joined, message, ack, shown } from "./chat-world.mjs";

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
