// The page of the chat in Chromium, while the server or its Redis are killed, stop, or refuse. See ../browser.sh.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { OUTPUT, Person, limit, live, open, redis } from "./chat-person.mjs";
import { until } from "./chromium.mjs";

test("the server is killed and starts again without its history", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  await ann.say("before");
  await bob.sees("Ann: before");
  await ann.sees("Ann: before sent");
  await server.kill();
  await ann.reads("#status", "Reconnecting…");
  await bob.reads("#status", "Reconnecting…");
  await ann.say("typed while offline 1", "typed while offline 2");
  const waiting = ["Ann: before sent", "Ann: typed while offline 1 sending…", "Ann: typed while offline 2 sending…"];
  await until("what was typed is shown", async () => (await ann.messages()).join() === waiting.join());
  await server.start();
  await ann.connected();
  await bob.connected();
  await bob.say("after");
  const seen = await until("four messages", async () => {
    const lines = await bob.messages();
    return lines.length === 4 && !lines.some((line) => line.endsWith("sending…")) && lines;
  });
  assert.deepEqual(seen.toSorted(), [
    "Ann: before",
    "Ann: typed while offline 1",
    "Ann: typed while offline 2",
    "Bob: after sent",
  ]);
  assert.ok(seen.indexOf("Ann: typed while offline 1") < seen.indexOf("Ann: typed while offline 2"));
  const swapped = seen.map((line) => (line.startsWith("Ann") ? `${line} sent` : line.replace(" sent", "")));
  await ann.sees(...swapped);
  await ann.end(bob, swapped, seen);
  const texts = seen.slice(1).map((line) => line.replace(/^\w+: | sent$/g, ""));
  assert.deepEqual(await ann.stored("lobby"), [...texts, "end"]);
});

test("what is under way when the server is killed arrives once", limit, async () => {
  const store = await redis();
  const server = await live("--engine", store.url);
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  const texts = [];
  for (let round = 0; round < 3; round += 1) {
    // Killed in the midst of them: some are stored, of some of these the ack is lost.
    const some = Array.from({ length: 8 }, (_, i) => `${round}-${i}`);
    texts.push(...some);
    await ann.page.run((some) => {
      const [text, form] = [document.querySelector("#text"), document.querySelector("#say")];
      for (const one of some) {
        text.value = one;
        form.requestSubmit();
      }
    }, some);
    await bob.page.until((line) => document.querySelector("#logs").textContent.includes(line), `${round}-1`);
    await server.kill();
    await server.start();
    await ann.connected();
  }
  const lines = texts.map((text) => `Ann: ${text}`);
  await ann.end(
    bob,
    lines.map((line) => `${line} sent`),
    lines,
  );
  assert.deepEqual(await ann.stored("lobby"), [...texts, "end"]);
  for (const person of [ann, bob]) await person.hasNoGap();
});

test("two nodes: what was said while one was away is there afterwards", limit, async () => {
  const store = await redis();
  const secret = ["--engine", store.url, "--secret", "a secret of the two nodes in this test"];
  const one = await live(...secret, "--node", "one");
  const two = await live(...secret, "--node", "two");
  const ann = await Person.enter(one, "Ann");
  const bob = await Person.enter(two, "Bob");
  await ann.reads("#members", "Ann (you)Bob");
  await ann.say("first");
  await bob.sees("Ann: first");
  await one.kill();
  await ann.reads("#status", "Reconnecting…");
  await ann.say("third");
  await bob.say("second");
  await bob.sees("Ann: first", "Bob: second sent");
  await one.start();
  const mine = ["Ann: first sent", "Bob: second", "Ann: third sent"];
  await ann.sees(...mine);
  await ann.end(bob, mine, ["Ann: first", "Bob: second sent", "Ann: third"]);
  assert.deepEqual(await ann.stored("lobby"), ["first", "second", "third", "end"]);
  await ann.hasNoGap();
});

test("the engine is killed and starts again", limit, async () => {
  const store = await redis();
  const server = await live("--engine", store.url);
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  await ann.say("before");
  await bob.sees("Ann: before");
  await store.kill();
  await ann.page.until(() => document.querySelector("#notice-text").textContent.includes("store of messages"));
  assert.match(await ann.status(), /^Connected/);
  await ann.say("while away 1", "while away 2");
  await ann.page.until(() => document.querySelectorAll('[data-state="sending"]').length === 2);
  await store.start();
  const lines = ["Ann: before", "Ann: while away 1", "Ann: while away 2"];
  await bob.sees(...lines);
  await ann.end(
    bob,
    lines.map((line) => `${line} sent`),
    lines,
  );
  assert.deepEqual(await ann.stored("lobby"), ["before", "while away 1", "while away 2", "end"]);
  for (const person of [ann, bob]) await person.hasNoGap();
  await ann.page.until(() => document.querySelector("#notice").hidden);
});

test("the engine loses its data", limit, async () => {
  const store = await redis();
  const server = await live("--engine", store.url);
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  await ann.say("before");
  await bob.sees("Ann: before");
  await store.kill();
  store.forget();
  await ann.say("while away");
  await store.start();
  await ann.page.until(() =>
    [...document.querySelectorAll(".note")].some(
      (note) => note.textContent === "The server has lost the history of this room.",
    ),
  );
  await bob.sees("Ann: before", "Ann: while away");
  await ann.end(bob, ["Ann: before sent", "Ann: while away sent"], ["Ann: before", "Ann: while away"]);
  assert.deepEqual(await ann.stored("lobby"), ["while away", "end"]);
});

test("the server stops with 1001, and the next one is used at once", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  await ann.withoutJitter();
  server.child.kill("SIGTERM");
  await ann.reads("#notice-text", "Not connected: the server stops.");
  await server.ended();
  await server.start();
  await ann.connected();
  await ann.say("Hello");
  await ann.sees("Ann: Hello sent");
});

test("a refused handshake: the page says why, and comes in when it may", limit, async () => {
  const server = await live("--max-connections-per-user", "1");
  const ann = await Person.enter(server, "Ann");
  const page = await open(server.url);
  const again = new Person(page);
  await page.type("Ann");
  await page.press("Enter");
  const wait = await page.until(
    () =>
      document.querySelector("#notice-text").textContent === "Not connected: too many connections of this user." &&
      Number(/\d+/.exec(document.querySelector("#notice-time").textContent)),
  );
  assert.ok(wait >= 5, `${wait} s are less than Retry-After`);
  await ann.leave();
  await again.connected();
});

test("a server that does not answer counts as lost after 10 s", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  // Otherwise the first pause, and with it the notice, may last too short a time to be seen.
  await ann.withoutJitter();
  await server.suspend();
  await ann.say("slow");
  await ann.reads("#notice-text", "Not connected: the server does not answer.");
  server.child.kill("SIGCONT");
  await ann.connected();
  await ann.sees("Ann: slow sent");
});

test("the browser comes online: at once", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  await ann.withoutJitter();
  await ann.page.offline(true);
  await server.kill();
  await ann.page.until(() => document.querySelector("#notice-time").textContent === "Next try in 8 s.");
  await server.start();
  const begin = Date.now();
  await ann.page.offline(false);
  await ann.connected();
  assert.ok(Date.now() - begin < 6000);
});

test("1008 ends it, until the button", limit, async () => {
  const server = await live();
  const page = await open();
  const source = `window.sockets = []; window.WebSocket = class extends WebSocket { constructor(url) { super(url); sockets.push(this); } };`;
  await page.call("Page.addScriptToEvaluateOnNewDocument", { source });
  await page.visit(server.url);
  const ann = new Person(page);
  await page.type("Ann");
  await page.press("Enter");
  await ann.connected();
  await page.run(() => {
    for (let i = 0; i < 200; i += 1) sockets.at(-1).send("flood");
  });
  await ann.reads("#status", "Disconnected");
  await ann.reads("#retry", "Connect again");
  await ann.say("waits");
  assert.notEqual(await ann.text("#notice-text"), "");
  assert.equal(await page.run(() => sockets.length), 1);
  await page.screenshot(path.join(OUTPUT, "1008.png"));
  await page.run(() => document.querySelector("#retry").click());
  await ann.connected();
  await ann.sees("Ann: waits sent");
});
