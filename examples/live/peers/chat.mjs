// What the two servers share: tokens, rooms with history, limits, presence, HTTP. The protocol is that
// of PROTOCOL.md. Everything is in this process, as in `live` without --engine. These servers are for a
// comparison and not for the internet: rooms stay for ever, and there are no limits of connections.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

export const LIMITS = { text: 2000, rooms: 10, rate: 10, burst: 20 };
const HISTORY = 1000;
const RECENT = 50;
const TOKEN_SECONDS = 30;
const PRESENCE_MS = 250;
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const secret = randomBytes(32);
const used = new Map(); // token -> when it expires

const sign = (body) => createHmac("sha256", secret).update(body).digest("base64url");

function makeToken(user) {
  const claims = { user, expires: Date.now() + TOKEN_SECONDS * 1000, nonce: randomBytes(9).toString("base64url") };
  const body = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `${body}.${sign(body)}`;
}

// The user of a token that is valid and new, or null.
export function takeToken(token) {
  const [body, signature] = String(token).split(".");
  const right = Buffer.from(sign(body ?? ""));
  const given = Buffer.from(signature ?? "");
  if (right.length !== given.length || !timingSafeEqual(right, given)) return null;
  const claims = JSON.parse(Buffer.from(body, "base64url"));
  if (claims.expires < Date.now() || used.has(token)) return null;
  used.set(token, claims.expires);
  return claims.user;
}

setInterval(() => {
  const now = Date.now();
  for (const [token, expires] of used) if (expires < now) used.delete(token);
}, 1000).unref();

// A room: `broadcast(room, type, body)` of the library sends to all of its members.
class Room {
  constructor(name, broadcast) {
    this.name = name;
    this.broadcast = broadcast;
    this.epoch = randomBytes(8).toString("hex");
    this.offset = 0;
    this.ring = []; // message n is at n % HISTORY
    this.ids = new Map(); // user and id -> offset, oldest first
    this.users = new Map(); // user -> connections
    this.joined = new Set();
    this.left = new Set();
  }

  enter(user) {
    const count = this.users.get(user) ?? 0;
    this.users.set(user, count + 1);
    if (count === 0) this.#changed(user, this.joined, this.left);
  }

  leave(user) {
    const count = this.users.get(user) - 1;
    if (count > 0) return void this.users.set(user, count);
    this.users.delete(user);
    this.#changed(user, this.left, this.joined);
  }

  #changed(user, to, from) {
    if (!from.delete(user)) to.add(user);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const [joined, left] = [[...this.joined], [...this.left]];
      this.joined.clear();
      this.left.clear();
      if (joined.length + left.length > 0) {
        this.broadcast(this.name, "presence", { room: this.name, joined, left, count: this.users.size });
      }
    }, PRESENCE_MS);
  }

  say(from, id, text) {
    const key = `${from} ${id}`;
    const known = this.ids.get(key);
    if (known !== undefined) return { offset: known, duplicate: true };
    const offset = ++this.offset;
    const message = { room: this.name, epoch: this.epoch, offset, id, from, text, at: Date.now() };
    this.ring[offset % HISTORY] = message;
    this.ids.set(key, offset);
    if (this.ids.size > HISTORY) this.ids.delete(this.ids.keys().next().value);
    this.broadcast(this.name, "message", message);
    return { offset, duplicate: false };
  }

  // The messages after a position, and whether none is missing.
  history(since) {
    const oldest = Math.max(0, this.offset - HISTORY);
    const recovered = since?.epoch === this.epoch && since.offset >= oldest && since.offset <= this.offset;
    const from = recovered ? since.offset : Math.max(oldest, this.offset - RECENT);
    const messages = [];
    for (let n = from + 1; n <= this.offset; n++) messages.push(this.ring[n % HISTORY]);
    return { from, recovered, messages };
  }
}

const rooms = new Map();

class Refusal extends Error {
  constructor(code, reason) {
    super(reason);
    this.code = code;
  }
}

// One connection. `link` is the library's side: emit(type, body) to this client, enter(room) and
// leave(room) for what is sent to all members, broadcast(room, type, body), others(room, type, body).
export class Session {
  #tokens = LIMITS.burst;
  #filled = performance.now();
  #rooms = new Map();

  constructor(user, link) {
    this.user = user;
    this.link = link;
    link.emit("hello", { user, node: "node", engine: "up", limits: LIMITS });
  }

  // Takes a message of the client. Returns the body of the acknowledgement of a `say`.
  take(type, body) {
    try {
      this.#pay();
      const { room, id, text, on, since } = body;
      if (!ID.test(room)) throw new Refusal("bad_room", "not a name of a room");
      switch (type) {
        case "join":
          return this.#join(room, since);
        case "leave":
          this.#member(room);
          this.#leave(room);
          return this.link.emit("left", { room });
        case "typing":
          this.#member(room);
          return this.link.others(room, "typing", { room, user: this.user, on: on === true });
        case "say": {
          const to = this.#member(room);
          if (!ID.test(id)) throw new Refusal("bad_id", "not an id");
          if (typeof text !== "string" || text.length === 0 || text.length > LIMITS.text) {
            throw new Refusal("bad_text", `1 to ${LIMITS.text} characters`);
          }
          return { room, id, epoch: to.epoch, ...to.say(this.user, id, text) };
        }
        default:
          throw new Refusal("unknown_type", "join, leave, say or typing");
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.link.emit("error", { code: error.code, reason: error.message, id: body?.id, room: body?.room });
    }
  }

  end() {
    for (const name of [...this.#rooms.keys()]) this.#leave(name);
  }

  #pay() {
    const now = performance.now();
    this.#tokens = Math.min(LIMITS.burst, this.#tokens + ((now - this.#filled) / 1000) * LIMITS.rate);
    this.#filled = now;
    if (this.#tokens < 1) throw new Refusal("rate_limited", "too many messages");
    this.#tokens -= 1;
  }

  #member(name) {
    const room = this.#rooms.get(name);
    if (!room) throw new Refusal("not_joined", "join the room first");
    return room;
  }

  #join(name, since) {
    if (this.#rooms.has(name)) throw new Refusal("already_joined", "already in the room");
    if (this.#rooms.size >= LIMITS.rooms) throw new Refusal("too_many_rooms", `at most ${LIMITS.rooms}`);
    let room = rooms.get(name);
    if (!room) rooms.set(name, (room = new Room(name, this.link.broadcast)));
    this.#rooms.set(name, room);
    room.enter(this.user);
    const { from, recovered, messages } = room.history(since);
    const members = [...room.users.keys()];
    this.link.emit("joined", { room: name, epoch: room.epoch, offset: from, recovered, members, count: members.length });
    for (const message of messages) this.link.emit("message", message);
    this.link.enter(name);
  }

  #leave(name) {
    this.link.leave(name);
    this.#rooms.get(name).leave(this.user);
    this.#rooms.delete(name);
  }
}

function json(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

// The HTTP server: tokens and metrics. `listening on` is the first line of output, as of `live`.
export function httpServer() {
  const server = createServer((request, response) => {
    if (request.method === "GET" && request.url === "/metrics") {
      const { user, system } = process.cpuUsage();
      const memory = process.memoryUsage.rss();
      response.end(`process_resident_memory_bytes ${memory}\nprocess_cpu_seconds_total ${(user + system) / 1e6}\n`);
    } else if (request.method === "POST" && request.url === "/token") {
      let text = "";
      request.on("data", (data) => (text += data).length > 4096 && request.destroy());
      request.on("end", () => {
        try {
          const { name } = JSON.parse(text);
          if (!/^[A-Za-z0-9_-]{1,32}$/.test(name)) throw new Error("not a name");
          json(response, 200, { token: makeToken(name), user: name, expires_in: TOKEN_SECONDS });
        } catch (error) {
          json(response, 400, { error: error.message });
        }
      });
    } else {
      response.writeHead(404).end();
    }
  });
  const [host, port] = (process.argv[2] ?? "127.0.0.1:8080").split(":");
  // As many as connect at once; the kernel limits it.
  server.listen({ host, port: Number(port), backlog: 4096 }, () => {
    console.log(`listening on http://${host}:${server.address().port}`);
  });
  return server;
}
