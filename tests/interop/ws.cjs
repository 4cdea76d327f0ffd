// npm `ws` as the peer: `ws.cjs server` echoes, `ws.cjs client URL` checks an echo server.
// `ws.cjs exchange-server TERMS` and `ws.cjs exchange-client TERMS URL` send a mixture of messages
// and check the echoes. TERMS, as in run.py, are the parameters of compression to negotiate.
"use strict";
const assert = require("node:assert");
const { once } = require("node:events");
const { WebSocket, WebSocketServer } = require("ws");

function listen(options) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
  server.on("listening", () => console.log(`listening on ws://127.0.0.1:${server.address().port}`));
  return server;
}

function serve() {
  listen({}).on("connection", (socket) => {
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

function exchangeServer(terms) {
  listen({ perMessageDeflate: deflateOptions(terms) }).on("connection", (socket) => {
    exchange(socket, terms).then(() => process.exit(0), fail);
  });
}

async function exchangeClient(terms, url) {
  const socket = new WebSocket(url, { perMessageDeflate: deflateOptions(terms) });
  await once(socket, "open");
  await exchange(socket, terms);
}

function deflateOptions({ takeover, bits, we_ask }) {
  // `we_ask` is about our examples. In `ws`, false means "refuses", not "does not ask".
  const asked = { serverMaxWindowBits: bits, clientMaxWindowBits: bits };
  if (!takeover) Object.assign(asked, { serverNoContextTakeover: true, clientNoContextTakeover: true });
  return { threshold: 0, ...(we_ask ? {} : asked) };
}

async function exchange(socket, { takeover, bits }) {
  const { params } = socket._extensions["permessage-deflate"];
  for (const side of ["server", "client"]) {
    assert.strictEqual(params[`${side}_no_context_takeover`] ?? false, !takeover);
    assert.strictEqual(params[`${side}_max_window_bits`] ?? 15, bits);
  }
  const messages = mixture(10_000);
  const closed = once(socket, "close");
  let echoes = 0;
  const all = new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${echoes} echoes`)));
    socket.on("message", (data, isBinary) => {
      const message = messages[echoes];
      const same = isBinary === Buffer.isBuffer(message) && data.equals(Buffer.from(message));
      if (!same) reject(new Error(`echo ${echoes} is another message`));
      if (++echoes === messages.length) resolve();
    });
  });
  for (const message of messages) socket.send(message);
  await all;
  const plain = messages.reduce((sum, message) => sum + Buffer.byteLength(message), 0);
  assert.ok(socket._socket.bytesRead < 0.7 * plain, "the echoes were not compressed");
  socket.close(1000);
  assert.strictEqual((await closed)[0], 1000);
}

// Messages of all sizes up to 100 KB, most of them small. Some compress well, some do not.
function mixture(count) {
  let state = 7692;
  const below = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // only the high bits are random
    return Math.floor((state / 2 ** 32) * limit);
  };
  const records = Array.from({ length: 5000 }, () => ({ id: below(1e6), name: ["Ada", "Zoë", "Γιώργος"][below(3)] }));
  const json = JSON.stringify(records);
  const noise = Buffer.from(Array.from({ length: 200_000 }, () => below(256)));
  const sources = [json, Buffer.from(json), "all the same κόσμε ".repeat(10_000), Buffer.alloc(200_000, "again"), noise];
  const sizes = [...Array(50).fill([0, 1]), ...Array(750).fill([1, 200]), ...Array(180).fill([200, 3_000])];
  sizes.push(...Array(17).fill([3_000, 20_000]), ...Array(3).fill([20_000, 100_000]));
  return Array.from({ length: count }, () => {
    const [low, high] = sizes[below(sizes.length)];
    const start = below(80_000);
    return sources[below(sources.length)].slice(start, start + low + below(high - low));
  });
}

function fail(error) {
  console.error(error.message);
  process.exit(1);
}

const [mode, ...args] = process.argv.slice(2);
if (mode === "server") {
  serve();
} else if (mode === "client") {
  check(args[0]).catch(fail);
} else if (mode === "exchange-server") {
  exchangeServer(JSON.parse(args[0]));
} else {
  exchangeClient(JSON.parse(args[0]), args[1]).catch(fail);
}
