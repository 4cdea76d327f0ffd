// The chat on npm `ws`, with the JSON texts of PROTOCOL.md: node ws.mjs [ADDRESS:PORT]
import { WebSocketServer } from "ws";
import { httpServer, Session, takeToken } from "./chat.mjs";

const HEARTBEAT_MS = 20_000;
const MAX_UNSENT = 1 << 20; // bytes that a reader may be behind before it is closed

const members = new Map(); // room -> sockets
// One JSON and one buffer for all readers: `ws` would encode a string again for each.
const encode = (type, body) => Buffer.from(JSON.stringify({ type, ...body }));

function send(socket, data) {
  if (socket.readyState !== socket.OPEN) return;
  if (socket.bufferedAmount > MAX_UNSENT) return socket.close(1013, "too slow");
  socket.send(data, { binary: false });
}

function broadcast(room, type, body, except) {
  const data = encode(type, body);
  for (const socket of members.get(room) ?? []) if (socket !== except) send(socket, data);
}

const server = httpServer();
const wss = new WebSocketServer({
  noServer: true,
  maxPayload: 16 << 10,
  perMessageDeflate: process.env.COMPRESS
    ? { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 64 }
    : false,
});

server.on("upgrade", (request, socket, head) => {
  const url = new URL(request.url, "http://localhost");
  const user = url.pathname === "/chat" && takeToken(url.searchParams.get("token"));
  if (!user) return socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  wss.handleUpgrade(request, socket, head, (ws) => serve(ws, user));
});

function serve(ws, user) {
  ws.isAlive = true;
  const session = new Session(user, {
    emit: (type, body) => send(ws, encode(type, body)),
    broadcast,
    others: (room, type, body) => broadcast(room, type, body, ws),
    enter(room) {
      if (!members.has(room)) members.set(room, new Set());
      members.get(room).add(ws);
    },
    leave: (room) => members.get(room)?.delete(ws),
  });
  ws.on("pong", () => (ws.isAlive = true));
  ws.on("error", () => {}); // "close" follows
  ws.on("close", () => session.end());
  ws.on("message", (data, binary) => {
    let type, body;
    try {
      if (binary) throw new Error("text messages only");
      ({ type, ...body } = JSON.parse(data));
    } catch (error) {
      return send(ws, encode("error", { code: binary ? "binary" : "bad_json", reason: error.message }));
    }
    const ack = session.take(type, body);
    if (ack) send(ws, encode("ack", ack));
  });
}

setInterval(() => {
  for (const ws of wss.clients) {
    if (!ws.isAlive) ws.terminate();
    ws.isAlive = false;
    ws.ping();
  }
}, HEARTBEAT_MS);
