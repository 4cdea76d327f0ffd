// What the page knows of one room: the messages in their order, its own messages that are not stored yet, who is here.
// It uses neither the document nor the connection.

/** Older messages leave the page. */
export const MOST_MESSAGES = 1000;
/** Own messages that wait for the server. */
export const MOST_PENDING = 100;
/** A user who is typing says so again and again. Without news for this long, it has ended. Milliseconds. */
export const TYPING_ENDS = 6000;

/*
 * The log has items: { kind: "message", id, from, text, at, state, reason } with the state
 *     sending   of this page, not acknowledged
 *     sent      stored by the server
 *     refused   of this page; `reason` says why it was not stored
 * and { kind: "note", text }, { kind: "presence", joined: Set, left: Set }.
 */

export class Room {
  /** out, joining, in */
  state = "out";
  /** { epoch, offset } of the last message that was seen. From here the room is resumed. */
  position = null;
  /** Ordered by offset. */
  items = [];
  /** Own messages that have no place in the order yet, in the order in which they were written. */
  pending = [];
  members = new Set();
  count = 0;
  /** User to the time at which it ends by itself. */
  typing = new Map();
  typingTimer;
  unread = 0;
  /** The reader is looking at this room. */
  visible = false;
  /** The position up to which it was read, which survives a reload of the page. */
  read = null;
  draft = "";
  /** What was sent and not answered: { item } or { join: true }. One at a time keeps the order. */
  flight = null;
  /** Nothing is sent before this time. */
  hold = 0;
  #known = new Set();

  constructor(name) {
    this.name = name;
  }

  /** All that is shown. */
  *shown() {
    yield* this.items;
    yield* this.pending;
  }

  /** The connection is gone. What was in flight is sent again: the server knows the id if it has stored it. */
  disconnected() {
    this.state = "out";
    this.flight = null;
    this.hold = 0;
    this.typing.clear();
  }

  joined({ epoch, offset, recovered, members, count }) {
    this.state = "in";
    this.members = new Set(members);
    this.count = count;
    if (recovered && this.position !== null) return;
    this.#forget({ epoch, offset }, "Messages may be missing here: the server does not have them any more.");
  }

  /** The history was lost. What was shown stays. */
  reset({ epoch, offset }) {
    this.#forget({ epoch, offset }, "The server has lost the history of this room.");
  }

  /**
   * Takes a stored message. Returns whether it is in order: "added", "known" (nothing to do) or "gap": one before it did
   * not come, and the room must be resumed from `position`.
   */
  message({ epoch, offset, id, from, text, at }, me) {
    if (this.position === null || epoch !== this.position.epoch) return "gap";
    if (offset <= this.position.offset) return "known";
    if (offset !== this.position.offset + 1) return "gap";
    this.position = { epoch, offset };
    if (this.visible) this.read = this.position;
    this.typing.delete(from);
    const key = `${id} ${from}`;
    const item = from === me ? this.pending.find((item) => item.id === id) : undefined;
    if (item) {
      // It is in the history, so it is stored, even if its ack has not come yet.
      Object.assign(item, { from, at, state: "sent" });
      this.#place(item);
    } else if (this.#known.has(key)) {
      return "known"; // stored again after the server had lost its history
    } else {
      this.#add({ kind: "message", id, from, text, at, state: "sent", reason: "" });
      this.#known.add(key);
      if (from !== me && !this.visible && !this.#wasRead()) this.unread += 1;
    }
    return "added";
  }

  /** Adds a message of this page. */
  say(id, from, text, at) {
    this.pending.push({ kind: "message", id, from, text, at, state: "sending", reason: "" });
  }

  /** The next message to send, if none is in flight. */
  next() {
    return this.pending.find(({ state }) => state === "sending");
  }

  ack({ id, epoch, offset }) {
    const item = this.pending.find((item) => item.id === id);
    if (!item) return;
    item.state = "sent";
    // Its own message gives it its place. If that has passed already, it will not come.
    const passed = this.position?.epoch === epoch && offset <= this.position.offset;
    if (passed || this.position?.epoch !== epoch) this.#place(item);
  }

  refuse(id, reason) {
    const item = this.pending.find((item) => item.id === id);
    if (item) Object.assign(item, { state: "refused", reason });
  }

  /** Removes a message that was refused. */
  discard(item) {
    this.pending = this.pending.filter((other) => other !== item);
  }

  presence({ joined = [], left = [], count }, me) {
    for (const user of left) {
      this.members.delete(user);
      this.typing.delete(user);
    }
    for (const user of joined) this.members.add(user);
    this.count = count;
    this.#notePresence(
      joined.filter((user) => user !== me),
      left.filter((user) => user !== me),
    );
  }

  typed({ user, on }, now) {
    if (on) this.typing.set(user, now + TYPING_ENDS);
    else this.typing.delete(user);
  }

  /** Ends the typing of users without news. Returns the time of the next end, or null. */
  expire(now) {
    for (const [user, end] of this.typing) if (end <= now) this.typing.delete(user);
    return this.typing.size === 0 ? null : Math.min(...this.typing.values());
  }

  look(visible) {
    this.visible = visible;
    if (!visible) return;
    this.unread = 0;
    this.read = this.position;
  }

  #wasRead() {
    return this.read?.epoch === this.position.epoch && this.position.offset <= this.read.offset;
  }

  #forget(position, why) {
    // What is acknowledged and did not come as a message will not come any more.
    for (const item of this.pending.filter(({ state }) => state === "sent")) this.#place(item);
    if (this.position !== null) this.#add({ kind: "note", text: why });
    this.position = position;
  }

  #place(item) {
    this.pending = this.pending.filter((other) => other !== item);
    this.#known.add(`${item.id} ${item.from}`);
    this.#add(item);
  }

  #add(item) {
    this.items.push(item);
    if (this.items.length > MOST_MESSAGES) {
      const [old] = this.items.splice(0, 1);
      this.#known.delete(`${old.id} ${old.from}`);
    }
  }

  /** Comings and goings between two messages are one note. A user who left and came back is not in it. */
  #notePresence(joined, left) {
    let note = this.items.at(-1);
    if (note?.kind !== "presence") {
      note = { kind: "presence", joined: new Set(), left: new Set() };
    } else {
      this.items.pop();
    }
    for (const user of left) if (!note.joined.delete(user)) note.left.add(user);
    for (const user of joined) if (!note.left.delete(user)) note.joined.add(user);
    if (note.joined.size + note.left.size > 0) this.#add({ ...note });
  }
}
