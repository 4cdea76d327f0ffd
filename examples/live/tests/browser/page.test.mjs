// The page of the chat in Chromium, with the real server. See ../browser.sh.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Browser, until } from "./chromium.mjs";
import { Live, Redis } from "./programs.mjs";

/** Where the screenshots go. */
const OUTPUT = process.env.OUTPUT;
const NASTY = `<script>alert(1)</script><img src=x onerror="alert(2)">`;

let browser;
/** What a test has started; it is ended after the test. */
let started = [];
let pages = [];

before(() => {
  browser = new Browser();
});
after(() => browser.close());
afterEach(async () => {
  const errors = pages.flatMap((page) => page.errors);
  await Promise.all(pages.map((page) => page.close()));
  for (const program of started) await (program.end ?? program.kill).call(program);
  pages = [];
  started = [];
  assert.deepEqual(errors, [], "errors in a page");
});

const limit = { timeout: 120_000 };

async function live(...args) {
  started.unshift(await Live.start(...args));
  return started[0];
}

async function redis() {
  started.push(await Redis.start());
  return started.at(-1);
}

/** A person at a page. */
class Person {
  constructor(page) {
    this.page = page;
  }

  /** Opens the page and enters with the keyboard. */
  static async enter({ url }, name, room = "lobby") {
    const page = await browser.page(`${url}#${room}`);
    pages.push(page);
    const person = new Person(page);
    await page.until(() => document.activeElement.id === "name");
    await page.type(name);
    await page.press("Enter");
    await person.connected();
    return person;
  }

  connected() {
    return this.page.until(() => document.querySelector("#status").textContent.startsWith("Connected to ") && document.querySelector("#members li"));
  }

  status() {
    return this.page.run(() => document.querySelector("#status").textContent);
  }

  /** The pauses of the back-off have no jitter: 1 s, 2 s, 4 s … */
  withoutJitter() {
    return this.page.run(() => void (Math.random = () => 1));
  }

  async say(...texts) {
    for (const text of texts) {
      await this.page.run(() => document.querySelector("#text").focus());
      await this.page.type(text);
      await this.page.press("Enter");
    }
  }

  /** The messages of the room that is shown: "Ann: Hello sent". */
  messages() {
    return this.page.run(() =>
      [...document.querySelectorAll(".log:not([hidden]) .message")].map((row) => {
        const part = (name) => row.querySelector(`.${name}`).textContent;
        return `${part("who")}: ${part("text")} ${part("state")}`.trim();
      }),
    );
  }

  /** Waits until these are the messages, and nothing else. */
  async sees(...expected) {
    let last;
    await until(`messages ${expected}`, async () => {
      last = await this.messages();
      return last.length >= expected.length && !last.some((line) => line.endsWith("sending…"));
    }).catch(() => {});
    assert.deepEqual(last, expected);
  }

  /** Says a last word and waits until both see exactly this: nothing was doubled, as it would come before. */
  async end(other, mine, others) {
    await this.say("end");
    await this.sees(...mine, "Ann: end sent");
    await other.sees(...others, "Ann: end");
  }

  /** The room was resumed: nothing may be missing. */
  async hasNoGap() {
    const notes = await this.page.run(() => [...document.querySelectorAll(".note")].map((note) => note.textContent));
    assert.deepEqual(notes.filter((note) => !/joined|left/.test(note)), []);
  }

  /** The messages that the server has of the room, without the page's own care for what came twice. */
  stored(room) {
    return this.page.run(async (room) => {
      const answer = await fetch("token", { method: "POST", body: JSON.stringify({ name: "Reader" }) });
      const socket = new WebSocket(`ws://${location.host}/chat?token=${encodeURIComponent((await answer.json()).token)}`);
      const found = [];
      await new Promise((resolve, reject) => {
        socket.onclose = reject;
        socket.onopen = () => socket.send(JSON.stringify({ type: "join", room }));
        socket.onmessage = ({ data }) => {
          const message = JSON.parse(data);
          if (message.type === "message") found.push(message.text);
          if (message.text === "end") resolve();
        };
      });
      socket.onclose = null;
      socket.close();
      return found;
    }, room);
  }

  async to(room) {
    await this.page.run((room) => (location.hash = room), room);
    await this.page.until((room) => document.querySelector("#title").textContent === room, room);
  }

  text(selector) {
    return this.page.run((selector) => document.querySelector(selector)?.textContent, selector);
  }

  reads(selector, text) {
    return this.page.until((selector, text) => document.querySelector(selector)?.textContent === text, selector, text);
  }
}

test("two people chat: presence, typing, order, acknowledgement", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  await ann.reads("#members", "Ann (you)Bob");
  await bob.reads("#members", "Bob (you)Ann");
  await ann.reads(".note", "\u2068Bob\u2069 joined");

  await bob.page.run(() => document.querySelector("#text").focus());
  await bob.page.type("Hel");
  await ann.reads("#typing", "\u2068Bob\u2069 is typing…");
  await bob.page.type("lo");
  await bob.page.press("Enter");
  await ann.sees("Bob: Hello");
  await ann.reads("#typing", "");
  await bob.page.type("never sent");
  await ann.reads("#typing", "\u2068Bob\u2069 is typing…");
  await ann.reads("#typing", ""); // it ends by itself
  await bob.page.run(() => (document.querySelector("#text").value = ""));

  await ann.say("Hi", "How are you?");
  await bob.sees("Bob: Hello sent", "Ann: Hi", "Ann: How are you?");
  await ann.sees("Bob: Hello", "Ann: Hi sent", "Ann: How are you? sent");

  await bob.page.close();
  pages = pages.filter((page) => page !== bob.page);
  await ann.reads("#members", "Ann (you)");
});

test("rooms: joining, unread messages, leaving, and what is wrong", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob", "help");
  await ann.to("help");
  await ann.sees();
  await ann.to("lobby");
  await bob.say("one", "two");
  await ann.reads('a[href="#help"]', "help2 unread");
  assert.equal(await ann.page.run(() => document.title), "(2) lobby");
  await ann.to("help");
  await ann.sees("Bob: one", "Bob: two");
  await ann.reads('a[href="#help"]', "help unread"); // the badge is hidden
  assert.equal(await ann.page.run(() => document.title), "help");
  await bob.reads("#members", "Bob (you)Ann");
  await ann.page.run(() => document.querySelector('[aria-label="Leave help"]').click());
  await ann.reads("#title", "lobby");
  await bob.reads("#members", "Bob (you)");
  await ann.page.run(() => document.querySelector("#room").focus());
  await ann.page.type("not a room");
  await ann.page.press("Enter");
  await ann.page.until(() => document.querySelector("#room-error").textContent.startsWith("not a room: "));
  await ann.reads("#title", "lobby");
  await ann.say("x".repeat(2001));
  await ann.page.until(() => document.querySelector("#text-error").textContent !== "");
  assert.equal(await ann.page.run(() => document.querySelector("#text").value.length), 2001);
  await ann.page.run(() => {
    document.querySelector("#text").value = "\u0001"; // nothing is left of it, and the server takes no empty text
    document.querySelector("#say").requestSubmit();
  });
  await ann.page.until(() => document.querySelector(".reason")?.textContent.startsWith("Not sent: "));
  await ann.page.run(() => [...document.querySelectorAll(".message button")].find((button) => button.textContent === "Discard").click());
  await ann.page.until(() => !document.querySelector(".reason"));
});

test("a name that the server refuses", limit, async () => {
  const page = await browser.page((await live()).url);
  pages.push(page);
  await page.type("n".repeat(500));
  await page.press("Enter");
  await page.until(() => document.querySelector("#name-error").textContent !== "" && document.activeElement.id === "name");
  assert.equal(await page.run(() => document.querySelector("#chat").hidden), true);
});

test("markup in names and texts stays text", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "<b onclick=alert(3)>Ann</b>");
  const bob = await Person.enter(server, "Bob");
  await ann.say(NASTY, "&lt; &amp;");
  await bob.sees(`<b onclick=alert(3)>Ann</b>: ${NASTY}`, "<b onclick=alert(3)>Ann</b>: &lt; &amp;");
  await bob.reads("#members", "Bob (you)<b onclick=alert(3)>Ann</b>");
  for (const { page } of [ann, bob]) {
    assert.equal(await page.run(() => document.querySelectorAll("main img, main script, main b, [onerror], [onclick]").length), 0);
  }
});

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
  assert.deepEqual(seen.toSorted(), ["Ann: before", "Ann: typed while offline 1", "Ann: typed while offline 2", "Bob: after sent"]);
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
  await ann.end(bob, lines.map((line) => `${line} sent`), lines);
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
  await ann.end(bob, lines.map((line) => `${line} sent`), lines);
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
  await ann.page.until(() => [...document.querySelectorAll(".note")].some((note) => note.textContent === "The server has lost the history of this room."));
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
  const page = await browser.page(server.url);
  pages.push(page);
  const again = new Person(page);
  await page.type("Ann");
  await page.press("Enter");
  const wait = await page.until(
    () => document.querySelector("#notice-text").textContent === "Not connected: too many connections of this user." && Number(/\d+/.exec(document.querySelector("#notice-time").textContent)),
  );
  assert.ok(wait >= 5, `${wait} s are less than Retry-After`);
  await ann.page.close();
  pages = pages.filter((page) => page !== ann.page);
  await again.connected();
});

test("more messages than the server allows at once", limit, async () => {
  const server = await live("--rate", "20", "--burst", "10");
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  const texts = Array.from({ length: 40 }, (_, i) => `${i}`);
  await ann.say(...texts);
  const lines = texts.map((text) => `Ann: ${text}`);
  await ann.end(bob, lines.map((line) => `${line} sent`), lines);
});

test("a server that does not answer counts as lost after 10 s", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  server.child.kill("SIGSTOP");
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

test("a reload keeps the name, the rooms, and what the server does not have", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  await ann.to("help");
  await ann.say("before");
  await ann.sees("Ann: before sent");
  await server.kill();
  await ann.reads("#status", "Reconnecting…");
  await ann.say("unsent");
  await ann.page.type("a draft");
  // The pages come from the server too.
  await server.start();
  await ann.page.reload();
  await ann.connected();
  assert.equal(await ann.text("#title"), "help");
  assert.equal(await ann.page.run(() => document.querySelector("#text").value), "a draft");
  await until("sent once", async () => (await ann.messages()).join() === "Ann: unsent sent");
  assert.equal(await ann.text("#rooms"), "lobby unread×help unread×");
});

test("1008 ends it, until the button", limit, async () => {
  const server = await live();
  const page = await browser.page();
  pages.push(page);
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

test("many messages: in order, bounded, and the log does not move under the reader", limit, async () => {
  const server = await live("--rate", "100000", "--burst", "100000");
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  const flood = (from, to) =>
    bob.page.run((from, to) => {
      const [text, form] = [document.querySelector("#text"), document.querySelector("#say")];
      for (let i = from; i < to; i += 1) {
        text.value = `${i}`;
        form.requestSubmit();
      }
    }, from, to);
  const has = (person, last) => person.page.until((last) => [...document.querySelectorAll(".message .text")].at(-1)?.textContent === last, `${last}`);
  for (let from = 0; from < 1100; from += 100) {
    await flood(from, from + 100);
    await has(ann, from + 99);
    await bob.page.until(() => !document.querySelector('[data-state="sending"]'));
  }
  const expected = Array.from({ length: 1100 }, (_, i) => `Bob: ${i}`).slice(-990);
  assert.deepEqual((await ann.messages()).slice(-990), expected);
  assert.ok((await ann.messages()).length <= 1000);
  const place = () => ann.page.run(() => {
    const log = document.querySelector(".log");
    return { top: log.scrollTop, end: Math.round(log.scrollHeight - log.scrollTop - log.clientHeight) };
  });
  assert.equal((await place()).end, 0);

  await ann.page.run(() => (document.querySelector(".log").scrollTop -= 3000));
  const { top } = await place();
  // The message under the reader's eye.
  const read = () => ann.page.run(() => [...document.querySelectorAll(".message")].find((row) => row.getBoundingClientRect().bottom > 400).textContent);
  const line = await read();
  await flood(1100, 1103);
  await ann.reads("#newer", "3 new messages ↓");
  assert.equal(await read(), line);
  await ann.page.run(() => document.querySelector("#newer").click());
  await ann.page.until(() => document.querySelector("#newer").hidden);
  assert.equal((await place()).end, 0);
  assert.ok((await place()).top > top);

  // One more message with all of these on the page: what it costs until it is laid out.
  const took = await ann.page.run(async () => {
    const begin = performance.now();
    document.querySelector("#text").value = "quick?";
    document.querySelector("#say").requestSubmit();
    while ([...document.querySelectorAll(".message")].at(-1).querySelector(".text").textContent !== "quick?") await new Promise((resolve) => setTimeout(resolve));
    document.querySelector(".log").getBoundingClientRect();
    return performance.now() - begin;
  });
  console.log(`# a message among 1,000: ${took.toFixed(0)} ms`);
  assert.ok(took < 500);
});

test("keyboard: all is reached, and the focus is seen", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  await ann.say("Hello");
  await ann.sees("Ann: Hello sent");
  await ann.page.run(() => document.activeElement.blur());
  const reached = [];
  for (let i = 0; i < 40; i += 1) {
    await ann.page.press("Tab");
    const focus = await ann.page.run(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const name = element.id || element.getAttribute("aria-label") || element.textContent;
      return { name, seen: element === document.body || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) };
    });
    if (reached.includes(focus.name)) break;
    assert.ok(focus.seen, `the focus on ${focus.name} is not seen`);
    reached.push(focus.name);
  }
  for (const name of ["skip", "Chat", "Dashboard", "Comparison", "rename", "lobby unread", "Leave lobby", "room", "Join", "Messages in lobby", "text", "Send"]) {
    assert.ok(reached.includes(name), `${name} is not reached: ${reached}`);
  }
});

test("accessible, and in order on a phone and a desktop, light and dark", limit, async () => {
  const axe = readFileSync(process.env.AXE, "utf8");
  const server = await live("--node", "a-node-with-a-rather-long-name-eu-central-1");
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bartholomäus-Maximilian Überlang");
  await ann.say("Has anybody seen the new release?");
  await bob.say("Yes! A long word: " + "donaudampfschifffahrt".repeat(6), "And a longer text, which has to wrap on a phone. ".repeat(5), NASTY);
  await ann.say("two\nlines 😀");
  await bob.to("help");
  await bob.say("?");
  await ann.to("help");
  await bob.say("!");
  await bob.to("lobby");
  await ann.to("lobby");
  await bob.to("help");
  await bob.say("unread");
  await ann.page.until(() => document.querySelector(".badge:not([hidden])"));
  await bob.to("lobby");
  await bob.page.run(() => document.querySelector("#text").focus());
  const entrance = await browser.page(server.url);
  pages.push(entrance);
  const check = async (page, name) => {
    for (const [device, width, height] of [["desktop", 1280, 800], ["phone", 390, 844], ["small", 360, 640]]) {
      for (const dark of [false, true]) {
        await page.size(width, height, { dark, phone: width < 1000 });
        if (name === "chat") {
          await bob.page.type(".");
          await page.until(() => document.querySelector("#typing").textContent !== "");
        }
        // A phone zooms out if a page is too wide.
        const wide = await page.run((width) => Math.max(document.documentElement.scrollWidth, innerWidth) - width, width);
        assert.equal(wide, 0, `${name} on ${device}: wider than the window`);
        await page.evaluate(`${axe}; 0`);
        const found = await page.run(async () => {
          const { violations } = await window.axe.run();
          return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n")}`);
        });
        assert.deepEqual(found, [], `${name} on ${device}, ${dark ? "dark" : "light"}`);
        await page.screenshot(path.join(OUTPUT, `${name}-${device}-${dark ? "dark" : "light"}.png`));
      }
    }
  };
  await check(ann.page, "chat");
  await check(entrance, "entrance");
  await ann.page.run(() => document.querySelector("#people-button").click());
  await ann.page.screenshot(path.join(OUTPUT, "people-small-dark.png"));
  await server.kill();
  await ann.reads("#status", "Reconnecting…");
  await ann.say("offline");
  await ann.page.until(() => document.querySelector("#notice-time").textContent !== "");
  await check(ann.page, "away");
});
