// What the tests of the chat's page share: people at pages, and programs that end with their test.
import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import { Browser, until } from "./chromium.mjs";
import { Live, Redis } from "./programs.mjs";

/** Where the screenshots go. */
export const OUTPUT = process.env.OUTPUT;
export const limit = { timeout: 120_000 };

let browser;
/** What a test has started. It is ended after the test. */
let started = [];
const pages = new Set();

before(() => {
  browser = new Browser();
});
after(() => browser.close());
afterEach(async () => {
  const errors = [...pages].flatMap((page) => page.errors);
  await Promise.all([...pages].map((page) => page.close()));
  for (const program of started) await (program.end ?? program.kill).call(program);
  pages.clear();
  started = [];
  assert.deepEqual(errors, [], "errors in a page");
});

export async function live(...args) {
  started.unshift(await Live.start(...args));
  return started[0];
}

export async function redis() {
  started.push(await Redis.start());
  return started.at(-1);
}

/** A new tab, at a URL. */
export async function open(url = undefined) {
  const page = await browser.page(url);
  pages.add(page);
  return page;
}

/** A person at a page. */
export class Person {
  constructor(page) {
    this.page = page;
  }

  /** Opens the page and enters with the keyboard. */
  static async enter({ url }, name, room = "lobby") {
    const page = await open(`${url}#${room}`);
    const person = new Person(page);
    await page.until(() => document.activeElement.id === "name");
    await page.type(name);
    await page.press("Enter");
    await person.connected();
    return person;
  }

  connected() {
    return this.page.until(
      () =>
        document.querySelector("#status").textContent.startsWith("Connected to ") &&
        document.querySelector("#members li"),
    );
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
    assert.deepEqual(
      notes.filter((note) => !/joined|left/.test(note)),
      [],
    );
  }

  /** The messages that the server has of the room, without the page's own care for what came twice. */
  stored(room) {
    return this.page.run(async (room) => {
      const answer = await fetch("token", { method: "POST", body: JSON.stringify({ name: "Reader" }) });
      const socket = new WebSocket(
        `ws://${location.host}/chat?token=${encodeURIComponent((await answer.json()).token)}`,
      );
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

  /** Closes the page. */
  async leave() {
    pages.delete(this.page);
    await this.page.close();
  }

  async to(room) {
    await this.page.run((room) => (location.hash = room), room);
    await this.page.until((room) => document.querySelector("#title").textContent === room, room);
  }

  text(selector) {
    return this.page.run((selector) => document.querySelector(selector)?.textContent, selector);
  }

  /** Waits until the element has this text. */
  async reads(selector, text) {
    let last;
    await until(`${selector}: ${text}`, async () => (last = await this.text(selector)) === text).catch(() => {});
    assert.equal(last, text);
  }
}
