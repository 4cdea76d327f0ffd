// The rooms of one user over a connection: when to send what, and what an answer means. It does not use the document.
import { Connection, browser } from "./connection.js";
import { Bucket } from "./pace.js";
import { MOST_PENDING, Room } from "./room.js";

/** An answer that takes longer means that the connection is dead. Milliseconds. */
const ANSWER = 10_000;
/** The pause after `rate_limited` and the like. */
const HOLD = 1000;
/** How often the page says that its user is still typing, and when it says that this is over. */
const TYPING_AGAIN = 3000;
const TYPING_OVER = 4000;

/** Close code: a message is too big. */
const TOO_BIG = 1009;

/** After these errors the same message, with the same id, may be sent later. */
const LATER = new Set(["rate_limited", "busy", "engine_away", "not_joined"]);

/**
 * Calls `changed(room)` after a change of that room, `changed(null)` after one of the rest (connection, engine, list of
 * rooms), and `failed(reason, room)` for an error that has no message: `room` is its name if a room could not be joined.
 */
export class Session {
  connection = { state: "idle", reason: "", until: 0, code: 0 };
  user = "";
  node = "";
  engineAway = false;
  textLimit = 2000;
  rooms = new Map();
  #connection;
  #env;
  #changed;
  #failed;
  #bucket;
  #spare = 0;
  #leaving = new Set();
  #pumpTimer;
  #typing = { room: "", until: 0, timer: undefined };
  #lastId = 0;
  #launched = 0;
  #prefix;

  constructor(base, { changed, failed }, env = browser) {
    this.#env = env;
    this.#changed = changed;
    this.#failed = failed;
    this.#bucket = new Bucket(5, 5, env.now());
    // Unique for this page: a tab that was duplicated or loaded again has another prefix.
    this.#prefix = randomPrefix();
    const onState = (state) => this.#stateChanged(state);
    const onMessage = (message) => this.#received(message);
    this.#connection = new Connection(base, { onState, onMessage }, env);
  }

  start(name) {
    this.user = name;
    this.#connection.start(name);
  }

  /** Ends the session: rooms and unsent messages are forgotten. */
  stop() {
    this.user = "";
    this.rooms.clear();
    this.#leaving.clear();
    this.#connection.stop();
  }

  online() {
    this.#connection.renew();
  }

  /** Ends the pause before the next try. */
  hurry() {
    this.#connection.hurry();
  }

  /** Returns the room, which is joined as soon as there is a connection. */
  join(name) {
    let room = this.rooms.get(name);
    if (!room) {
      room = new Room(name);
      this.rooms.set(name, room);
      this.#changed(null);
      this.#pump();
    }
    return room;
  }

  leave(name) {
    const room = this.rooms.get(name);
    this.rooms.delete(name);
    if (room && room.state !== "out") this.#leaving.add(name);
    this.#changed(null);
    this.#pump();
  }

  /** Shows the text as "sending" and sends it in its turn. Returns why it cannot, or "". */
  say(room, written) {
    const text = plain(written);
    if ([...text].length > this.textLimit) return `The message is longer than ${this.textLimit} characters.`;
    if (room.pending.length >= MOST_PENDING) return "Too many messages wait for the server. Try again later.";
    this.#lastId += 1;
    room.say(`${this.#prefix}-${this.#lastId}`, this.user, text, Date.now());
    this.#typingOver();
    this.#changed(room);
    this.#pump();
    return "";
  }

  /** The user has changed the text of the message. */
  typing(room, isEmpty) {
    if (isEmpty || this.#typing.room !== room.name) this.#typingOver();
    if (isEmpty) return;
    const now = this.#env.now();
    if (now >= this.#typing.until && this.#sendTyping(room.name, true)) {
      this.#typing.room = room.name;
      this.#typing.until = now + TYPING_AGAIN;
    }
    this.#env.clearTimeout(this.#typing.timer);
    this.#typing.timer = this.#env.setTimeout(() => this.#typingOver(), TYPING_OVER);
  }

  /** What survives a reload of the page. */
  save() {
    const rooms = [...this.rooms.values()].map(({ name, read, draft, pending }) => ({
      name,
      read,
      draft,
      pending: pending.map(({ id, text, at, state, reason }) => ({ id, text, at, state, reason })),
    }));
    return { user: this.user, rooms };
  }

  restore({ user, rooms }) {
    for (const { name, read, draft, pending } of rooms) {
      const room = this.join(name);
      Object.assign(room, { read, draft });
      // What is acknowledged comes back with the history.
      for (const item of pending.filter(({ state }) => state !== "sent")) {
        room.pending.push({ kind: "message", from: user, ...item });
      }
    }
    this.user = user;
  }

  #stateChanged(connection) {
    this.connection = connection;
    if (connection.state !== "up") {
      for (const room of this.rooms.values()) {
        // The same message again would have the same end.
        if (connection.code === TOO_BIG && room.flight?.item) room.refuse(room.flight.item.id, "it is too long");
        room.disconnected();
        this.#changed(room);
      }
      this.#leaving.clear();
      this.#env.clearTimeout(this.#pumpTimer);
      this.#typing.until = 0;
    }
    this.#changed(null);
  }

  #received(message) {
    const room = this.rooms.get(message.room);
    switch (message.type) {
      case "hello":
        return this.#hello(message);
      case "engine":
        this.engineAway = message.state === "away";
        if (!this.engineAway) for (const room of this.rooms.values()) room.hold = 0;
        this.#changed(null);
        return this.#pump();
      case "error":
        return this.#error(message, room ?? this.#unnamed(message));
    }
    // The user has left the room in the meantime. If they enter again, what comes before `joined` is of before.
    if (!room || (room.state !== "in" && message.type !== "joined")) return;
    const before = room.flight;
    switch (message.type) {
      case "joined":
        room.flight = null;
        room.joined(message);
        break;
      case "message":
        if (room.message(message, this.user) === "gap") return this.#connection.lost("a message did not come");
        if (room.flight?.item?.state === "sent") room.flight = null;
        break;
      case "ack":
        room.ack(message);
        if (room.flight?.item?.id === message.id) room.flight = null;
        break;
      case "reset":
        room.reset(message);
        break;
      case "presence":
        room.presence(message, this.user);
        break;
      case "typing":
        room.typed(message, this.#env.now());
        this.#expireTyping(room);
        break;
      default:
        return;
    }
    this.#changed(room);
    if (before !== room.flight) this.#pump();
  }

  #hello({ user, node, engine, limits }) {
    Object.assign(this, { user, node, engineAway: engine === "away", textLimit: limits.text });
    // A little less than the server allows: messages that are sent evenly may arrive in bunches.
    const burst = Math.max(1, limits.burst * 0.8);
    this.#bucket = new Bucket(limits.rate * 0.8, burst, this.#env.now());
    this.#spare = burst / 2;
    this.#changed(null);
    this.#pump();
  }

  #error({ code, reason, id }, room) {
    const { flight } = room ?? {};
    if (code === "rate_limited") {
      // It may not say which message it means. All without an answer are sent again: their ids make that harmless.
      this.#bucket.empty(this.#env.now());
      for (const room of this.rooms.values()) this.#putOff(room);
    } else if (LATER.has(code) && room) {
      if (code === "not_joined") room.state = "out";
      this.#putOff(room);
      // The server tells when the engine is up again.
      if (code === "engine_away" && this.engineAway) room.hold = Infinity;
    } else if (flight?.join && id === undefined) {
      room.flight = null;
      if (code === "already_joined") {
        room.state = "in";
      } else {
        this.rooms.delete(room.name);
        this.#failed(reason, room.name);
      }
      this.#changed(null);
    } else if (flight?.item && id === flight.item.id) {
      room.flight = null;
      room.refuse(id, reason);
      this.#changed(room);
    } else {
      this.#failed(reason);
    }
    this.#pump();
  }

  /** The room that an error without a room means. The server repeats only valid names, and answers joins in order. */
  #unnamed({ code, room }) {
    if (code !== "bad_room" || room !== undefined) return undefined;
    const joins = [...this.rooms.values()].filter(({ flight }) => flight?.join);
    return joins.sort((a, b) => a.flight.number - b.flight.number)[0];
  }

  /** What is in flight is sent again after a pause. */
  #putOff(room) {
    if (room.flight?.join) room.state = "out";
    room.flight = null;
    room.hold = this.#env.now() + HOLD;
  }

  /** Sends what may be sent now. In each room one message is in flight at a time: this keeps the order. */
  #pump() {
    if (this.#connection.state !== "up") return;
    const now = this.#env.now();
    let again = Infinity;
    for (const name of this.#leaving) {
      if (!this.#bucket.take(now)) {
        again = this.#bucket.wait(now);
        break;
      }
      this.#leaving.delete(name);
      this.#connection.send({ type: "leave", room: name });
    }
    for (const room of this.rooms.values()) {
      if (room.flight || this.#leaving.has(room.name)) continue;
      const item = room.next();
      if (room.state === "in" && (!item || this.engineAway)) continue;
      if (room.hold > now) {
        again = Math.min(again, room.hold - now);
      } else if (!this.#bucket.take(now)) {
        again = this.#bucket.wait(now);
        break;
      } else if (room.state === "in") {
        this.#launch(room, { item }, { type: "say", room: room.name, id: item.id, text: item.text });
      } else {
        const since = room.position ?? undefined;
        room.state = "joining";
        this.#launch(room, { join: true }, { type: "join", room: room.name, since });
      }
    }
    this.#env.clearTimeout(this.#pumpTimer);
    if (again < Infinity) this.#pumpTimer = this.#env.setTimeout(() => this.#pump(), again);
  }

  #launch(room, flight, message) {
    flight.number = this.#launched += 1;
    room.flight = flight;
    this.#connection.send(message);
    this.#env.setTimeout(() => {
      if (room.flight === flight) this.#connection.lost("the server does not answer");
    }, ANSWER);
  }

  /** Typing leaves half of the tokens to what matters. */
  #sendTyping(room, on) {
    if (this.rooms.get(room)?.state !== "in" || !this.#bucket.take(this.#env.now(), this.#spare)) return false;
    return this.#connection.send({ type: "typing", room, on });
  }

  #typingOver() {
    this.#env.clearTimeout(this.#typing.timer);
    if (this.#typing.room !== "") this.#sendTyping(this.#typing.room, false);
    Object.assign(this.#typing, { room: "", until: 0 });
  }

  #expireTyping(room) {
    const next = room.expire(this.#env.now());
    this.#env.clearTimeout(room.typingTimer);
    if (next === null) return;
    room.typingTimer = this.#env.setTimeout(() => {
      this.#expireTyping(room);
      this.#changed(room);
    }, next - this.#env.now());
  }
}

/** Without what the server refuses: control characters except line feed and tab, and halves of characters. */
const plain = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd").replace(/(?![\n\t])\p{Cc}/gu, "");

function randomPrefix() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}
