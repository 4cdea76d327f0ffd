// The page of the chat in Chromium, with the real server: people, rooms, messages. See ../browser.sh.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Person, limit, live, open } from "./chat-person.mjs";
import { until } from "./chromium.mjs";

const NASTY = `<script>alert(1)</script><img src=x onerror="alert(2)">`;

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

  await bob.leave();
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
  await ann.page.run(() =>
    [...document.querySelectorAll(".message button")].find((button) => button.textContent === "Discard").click(),
  );
  await ann.page.until(() => !document.querySelector(".reason"));
});

test("a name that the server refuses", limit, async () => {
  const page = await open((await live()).url);
  await page.type("n".repeat(500));
  await page.press("Enter");
  await page.until(
    () => document.querySelector("#name-error").textContent !== "" && document.activeElement.id === "name",
  );
  assert.equal(await page.run(() => document.querySelector("#chat").hidden), true);
});

test("changing the name", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  await ann.say("Hello");
  await bob.sees("Ann: Hello");
  await ann.page.run(() => document.querySelector("#rename").click());
  await bob.reads("#members", "Bob (you)");
  await ann.page.reload();
  await ann.page.until(() => document.activeElement.id === "name");
  await ann.page.type("Eve");
  await ann.page.press("Enter");
  await ann.reads("#members", "Eve (you)Bob");
  await ann.sees("Ann: Hello");
  await ann.page.run(() => document.querySelector("#rename").click());
  await ann.page.until(() => document.activeElement.id === "name");
  await ann.page.run(() => document.activeElement.select());
  await ann.page.type("Ann");
  await ann.page.press("Enter");
  await ann.reads("#members", "Ann (you)Bob");
  await ann.sees("Ann: Hello sent");
});

test("markup in names and texts stays text", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "<b onclick=alert(3)>Ann</b>");
  const bob = await Person.enter(server, "Bob");
  await ann.say(NASTY, "&lt; &amp;");
  await bob.sees(`<b onclick=alert(3)>Ann</b>: ${NASTY}`, "<b onclick=alert(3)>Ann</b>: &lt; &amp;");
  await bob.reads("#members", "Bob (you)<b onclick=alert(3)>Ann</b>");
  for (const { page } of [ann, bob]) {
    assert.equal(
      await page.run(() => document.querySelectorAll("main img, main script, main b, [onerror], [onclick]").length),
      0,
    );
  }
});

test("more messages than the server allows at once", limit, async () => {
  const server = await live("--rate", "20", "--burst", "10");
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  const texts = Array.from({ length: 40 }, (_, i) => `${i}`);
  await ann.say(...texts);
  const lines = texts.map((text) => `Ann: ${text}`);
  await ann.end(
    bob,
    lines.map((line) => `${line} sent`),
    lines,
  );
});

test("a reload keeps the name, the rooms, and what the server does not have", limit, async () => {
  const server = await live();
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  await ann.to("help");
  await ann.say("before");
  await ann.sees("Ann: before sent");
  await server.kill();
  await ann.reads("#status", "Reconnecting…");
  await ann.say("unsent");
  await ann.page.type("a draft");
  // The pages come from the server too.
  await server.start();
  await bob.connected();
  await bob.say("in the lobby");
  await bob.sees("Bob: in the lobby sent");
  await ann.page.reload();
  await ann.connected();
  assert.equal(await ann.text("#title"), "help");
  assert.equal(await ann.page.run(() => document.querySelector("#text").value), "a draft");
  await until("sent once", async () => (await ann.messages()).join() === "Ann: unsent sent");
  await ann.reads("#rooms", "lobby1 unread×help unread×");
});
