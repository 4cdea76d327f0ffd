// The checks of http.sh. The argument is the folder with our examples.
"use strict";
const assert = require("node:assert");
const { spawn } = require("node:child_process");
const { createHash, X509Certificate } = require("node:crypto");
const { EventEmitter, once } = require("node:events");
const { mkdtempSync, readFileSync, rmSync, unlinkSync } = require("node:fs");
const http2 = require("node:http2");
const { tmpdir } = require("node:os");
const path = require("node:path");
const { connect } = require("node:tls");
const { Receiver, Sender, WebSocket } = require("ws");

const FOLDER = path.resolve(process.argv[2]);
const TIME_LIMIT = 60_000; // milliseconds, for each check
const TOO_BIG = "a message is longer than this endpoint accepts (RFC 6455 §10.4)";
const LONG = "compress me ".repeat(20_000);

const checks = {
  async "hyper: its page in Chromium, over HTTP/2"() {
    const { url, ca } = await hyper();
    const chromium = new Chromium(ca);
    const found = await chromium.visit(url, inPage, LONG);
    assert.deepStrictEqual(found, {
      page: "h2",
      log: ["open, extensions: permessage-deflate", "received: connected over HTTP/2.0", "received: Hello", "closed: 1000"],
      greeting: "connected over HTTP/2.0",
      extensions: "permessage-deflate",
      echoes: true,
      closed: { code: 4001, reason: "", wasClean: true },
      tooBig: { code: 1009, reason: TOO_BIG, wasClean: true },
      atOnce: ["connected over HTTP/2.0"],
    });
    // An extended CONNECT is accepted with 200, an upgrade with 101.
    const statuses = chromium.events("Network.webSocketHandshakeResponseReceived").map(({ response }) => response.status);
    assert.deepStrictEqual(statuses, Array(23).fill(200));
  },

  async "hyper: node's http2"() {
    const { url, ca } = await hyper();
    const session = http2.connect(url, { ca });
    const socket = await Http2Socket.open(session, "/echo", { origin: new URL(url).origin });
    assert.strictEqual(await socket.next(), "connected over HTTP/2.0");
    for (const message of ["", "κόσμε", LONG]) {
      socket.send(message);
      assert.strictEqual(await socket.next(), message);
    }
    assert.deepStrictEqual(await socket.close(4001, "bye"), { code: 4001, reset: http2.constants.NGHTTP2_NO_ERROR });
    await assert.rejects(Http2Socket.open(session, "/echo", { origin: "https://example.com" }), /status 403/);
    await assert.rejects(Http2Socket.open(session, "/none"), /status 404/);
    session.close();
  },

  async "hyper: ws, over HTTP/1.1"() {
    const { url, ca } = await hyper();
    const socket = new WebSocket(`${url.replace("https", "wss")}echo`, { ca });
    const [greeting] = await once(socket, "message");
    assert.strictEqual(greeting.toString(), "connected over HTTP/1.1");
    assert.strictEqual(socket.extensions, "permessage-deflate");
    const before = socket._socket.bytesRead;
    for (const message of ["", "κόσμε", LONG, Buffer.from([0, 255])]) {
      socket.send(message);
      const [echo, isBinary] = await once(socket, "message");
      assert.strictEqual(isBinary, Buffer.isBuffer(message));
      assert.ok(echo.equals(Buffer.from(message)), "another message came back");
    }
    assert.ok(socket._socket.bytesRead - before < 5000, "the echoes were not compressed");
    socket.close(4001, "bye");
    assert.strictEqual((await once(socket, "close"))[0], 4001);
  },

  async "hyper: who sends no request is closed"() {
    const { url, ca } = await hyper();
    const { hostname: host, port } = new URL(url);
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]); // an empty frame of this type
    const begin = [
      ["http/1.1", ""],
      ["http/1.1", "GET /"],
      ["h2", ""],
      ["h2", "PRI * HT"],
      ["h2", Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings])],
    ];
    const closed = begin.map(([version, bytes]) => {
      const stream = connect({ host, port, ca, servername: "localhost", ALPNProtocols: [version] });
      stream.write(bytes);
      stream.on("error", () => {}); // a reset is an end as well
      stream.resume();
      return once(stream, "close");
    });
    await Promise.all(closed);
  },

  async "axum: a chat of ws, over HTTP/1.1, and node's http2"() {
    const [url] = await start("axum_handler", /listening on (\S+)\n/);
    const bob = new WebSocket(url.replace("NAME", "bob"));
    const heard = inbox(bob);
    await once(bob, "open");
    const session = http2.connect(url.replace("ws", "http"));
    const ann = await Http2Socket.open(session, "/chat/ann");
    ann.send("Hello");
    assert.strictEqual(await ann.next(), "ann: Hello");
    assert.strictEqual(await heard(), "ann: Hello");
    bob.send("κόσμε");
    assert.strictEqual(await ann.next(), "bob: κόσμε");
    assert.deepStrictEqual(await ann.close(1000, ""), { code: 1000, reset: http2.constants.NGHTTP2_NO_ERROR });
    session.close();
    bob.close(1000);
    assert.strictEqual((await once(bob, "close"))[0], 1000);
  },

  async "axum: long messages and names"() {
    const [url] = await start("axum_handler", /listening on (\S+)\n/);
    const ann = new WebSocket(url.replace("NAME", "ann"));
    await once(ann, "open");
    ann.send("a".repeat(1 << 20)); // about 1 KiB after compression
    assert.strictEqual((await once(ann, "close"))[0], 1009);
    const long = new WebSocket(url.replace("NAME", "a".repeat(1000)));
    const [error] = await once(long, "error");
    assert.match(error.message, /400/);
  },
};

// Runs in the page of hyper_upgrade. Returns what it has seen.
async function inPage(long) {
  const open = () => {
    const socket = new WebSocket(`wss://${location.host}/echo`);
    socket.binaryType = "arraybuffer";
    socket.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
    });
    socket.next = () =>
      new Promise((resolve, reject) => {
        socket.addEventListener("message", ({ data }) => resolve(data), { once: true });
        socket.closed.then(({ code }) => reject(new Error(`closed with ${code}`)));
      });
    return socket;
  };
  const echo = async (socket, message) => {
    socket.send(message);
    return socket.next();
  };

  // What the script of the page shows.
  const log = document.querySelector("pre");
  const shows = (line) =>
    new Promise((resolve) => {
      const look = () => log.textContent.includes(line) && resolve();
      new MutationObserver(look).observe(log, { childList: true });
      look();
    });
  const [input, send, close] = document.forms[0].elements;
  await shows("connected");
  input.value = "Hello";
  send.click();
  await shows("Hello");
  close.click();
  await shows("closed");

  // Sockets of our own.
  const socket = open();
  const greeting = await socket.next();
  const { extensions } = socket;
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
  const back = new Uint8Array(await echo(socket, bytes));
  let echoes = back.length === bytes.length && back.every((byte, i) => byte === bytes[i]);
  for (const text of ["", "κόσμε", long]) echoes &&= (await echo(socket, text)) === text;
  socket.close(4001, "κόσμε");

  const other = open();
  await other.next();
  other.send(new Uint8Array((1 << 20) + 1)); // the default of `Config::max_message_size` is 1 MiB

  const many = Array.from({ length: 20 }, open);
  const greetings = await Promise.all(many.map((one) => one.next()));
  return {
    page: performance.getEntriesByType("navigation")[0].nextHopProtocol,
    log: log.textContent.trim().split("\n"),
    greeting,
    extensions,
    echoes,
    closed: await socket.closed,
    tooBig: await other.closed,
    atOnce: [...new Set(greetings)],
  };
}

// A WebSocket over an extended CONNECT (RFC 8441), without compression. It reads and writes frames
// by the parts of `ws`.
class Http2Socket {
  static async open(session, target, headers = {}) {
    session.on("error", () => {}); // its streams report it
    if (!session.remoteSettings.enableConnectProtocol) await once(session, "remoteSettings");
    assert.strictEqual(session.remoteSettings.enableConnectProtocol, true);
    const connect = { ":method": "CONNECT", ":protocol": "websocket", ":path": target, "sec-websocket-version": "13" };
    const stream = session.request({ ...connect, ":scheme": "https", ...headers }, { endStream: false });
    const [{ ":status": status }] = await once(stream, "response");
    if (status !== 200) {
      stream.close();
      throw new Error(`status ${status}`);
    }
    return new Http2Socket(stream);
  }

  constructor(stream) {
    this.stream = stream;
    this.sender = new Sender(stream);
    this.receiver = new Receiver({ isServer: false });
    this.next = inbox(this.receiver);
    stream.pipe(this.receiver);
    stream.on("end", () => stream.end());
  }

  send(text) {
    this.sender.send(text, { fin: true, mask: true });
  }

  // Returns the code of the other side, and how the stream has ended.
  async close(code, reason) {
    this.sender.close(code, reason, true);
    const [[answer]] = await Promise.all([once(this.receiver, "conclude"), once(this.stream, "close")]);
    return { code: answer, reset: this.stream.rstCode };
  }
}

// Returns a function that waits for the next text. None is missed in between.
function inbox(emitter) {
  const texts = [];
  emitter.on("message", (data) => texts.push(data.toString()));
  return async () => {
    if (texts.length === 0) await once(emitter, "message");
    return texts.shift();
  };
}

// Headless Chromium. It reads commands from a pipe and writes answers and events to another: texts of
// JSON that end with a zero byte (Chrome DevTools Protocol).
class Chromium {
  constructor(ca) {
    const key = new X509Certificate(ca).publicKey.export({ type: "spki", format: "der" });
    const trusted = createHash("sha256").update(key).digest("base64");
    const profile = mkdtempSync(path.join(tmpdir(), "chromium-"));
    // The sandbox refuses to run as root.
    const options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"];
    options.push(`--user-data-dir=${profile}`, `--ignore-certificate-errors-spki-list=${trusted}`);
    const pipes = run(process.env.CHROMIUM, options, ["ignore", "ignore", "ignore", "pipe", "pipe"]).stdio;
    process.on("exit", () => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
    this.commands = pipes[3];
    this.messages = new EventEmitter();
    this.last = 0;
    this.seen = [];
    let rest = "";
    pipes[4].setEncoding("utf8").on("data", (data) => {
      const texts = (rest + data).split("\0");
      rest = texts.pop();
      for (const message of texts.map(JSON.parse)) {
        this.seen.push(message);
        this.messages.emit(message.id ?? message.method, message);
      }
    });
  }

  async call(method, params, sessionId) {
    const id = ++this.last;
    this.commands.write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    const [{ result, error }] = await once(this.messages, id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  // Loads the page, calls the function in it, and returns its result.
  async visit(url, called, ...args) {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    await this.call("Network.enable", {}, sessionId);
    await this.call("Page.enable", {}, sessionId);
    const loaded = once(this.messages, "Page.loadEventFired");
    const { errorText } = await this.call("Page.navigate", { url }, sessionId);
    assert.strictEqual(errorText, undefined);
    await loaded;
    const expression = `(${called})(...${JSON.stringify(args)})`;
    const evaluate = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", evaluate, sessionId);
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }

  events(method) {
    return this.seen.filter((message) => message.method === method).map(({ params }) => params);
  }
}

// Starts a program in a process group of its own, which ends with this program.
function run(program, args, stdio) {
  const child = spawn(program, args, { stdio, detached: true });
  child.on("error", (error) => console.error(error.message));
  process.on("exit", () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  });
  return child;
}

// Returns the URL and the certificate of a new hyper_upgrade.
async function hyper() {
  const [url, file] = await start("hyper_upgrade", /listening on (\S+)\n[^]*--cacert '(.+)'/);
  const ca = readFileSync(file);
  unlinkSync(file); // the next server makes another
  return { url, ca };
}

// Starts an example, and waits until its output matches. Returns the groups of the match.
async function start(name, pattern) {
  const { stdout } = run(path.join(FOLDER, name), ["127.0.0.1:0"], ["ignore", "pipe", "inherit"]);
  let output = "";
  stdout.setEncoding("utf8").on("data", (data) => (output += data));
  while (!pattern.test(output)) await once(stdout, "data");
  return pattern.exec(output).slice(1);
}

async function within(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${TIME_LIMIT} ms`)), TIME_LIMIT);
  });
  await Promise.race([work(), late]).finally(() => clearTimeout(timer));
}

async function main() {
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1)); // ends the others too
  let failed = 0;
  for (const [label, work] of Object.entries(checks)) {
    try {
      await within(work);
      console.log(`ok   ${label}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${label}: ${error.message}`);
    }
  }
  console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

main();
