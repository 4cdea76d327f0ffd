// npm `ws` as the peer: `ws.cjs server` echoes, `ws.cjs client URL` checks an echo server.
"use strict";
const assert = require("node:assert");
const { once } = require("node:events");
const { WebSocket, WebSocketServer } = require("ws");

function serve() {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("listening", () => console.log(`listening on ws://127.0.0.1:${server.address().port}`));
  server.on("connection", (socket) => {
    socket.on("error", (error) => console.error(error.message));
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
}

async function check(url) {
  const socket = new WebSocket(url);
  await once(socket, "open");
  const text = "κόσμε ".repeat(20000);
  const bytes = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => i % 251));
  for (const message of ["", "Hello", text, Buffer.alloc(0), Buffer.from([0, 255]), bytes]) {
    socket.send(message);
    const [answer, isBinary] = await once(socket, "message");
    assert.strictEqual(isBinary, Buffer.isBuffer(message));
    assert.ok(answer.equals(Buffer.from(message)), "another message came back");
  }
  socket.send("in ", { fin: false });
  socket.ping("are you there?");
  const [payload] = await once(socket, "pong");
  assert.strictEqual(payload.toString(), "are you there?");
  socket.send("pieces", { fin: true });
  assert.strictEqual((await once(socket, "message"))[0].toString(), "in pieces");
  socket.close(4321, "bye");
  assert.strictEqual((await once(socket, "close"))[0], 4321);
}

if (process.argv[2] === "server") {
  serve();
} else {
  check(process.argv[3]).catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}
