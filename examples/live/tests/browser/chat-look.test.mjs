// The page of the chat in Chromium: many messages, the keyboard, accessibility, screenshots. See ../browser.sh.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { OUTPUT, Person, limit, live, open } from "./chat-person.mjs";

const NASTY = `<script>alert(1)</script><img src=x onerror="alert(2)">`;

test("many messages: in order, bounded, and the log does not move under the reader", limit, async () => {
  const server = await live("--rate", "100000", "--burst", "100000");
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bob");
  const flood = (from, to) =>
    bob.page.run(
      (from, to) => {
        const [text, form] = [document.querySelector("#text"), document.querySelector("#say")];
        for (let i = from; i < to; i += 1) {
          text.value = `${i}`;
          form.requestSubmit();
        }
      },
      from,
      to,
    );
  const has = (person, last) =>
    person.page.until(
      (last) => [...document.querySelectorAll(".message .text")].at(-1)?.textContent === last,
      `${last}`,
    );
  for (let from = 0; from < 1100; from += 100) {
    await flood(from, from + 100);
    await has(ann, from + 99);
    await bob.page.until(() => !document.querySelector('[data-state="sending"]'));
  }
  const expected = Array.from({ length: 1100 }, (_, i) => `Bob: ${i}`).slice(-990);
  assert.deepEqual((await ann.messages()).slice(-990), expected);
  assert.ok((await ann.messages()).length <= 1000);
  const place = () =>
    ann.page.run(() => {
      const log = document.querySelector(".log");
      return { top: log.scrollTop, end: Math.round(log.scrollHeight - log.scrollTop - log.clientHeight) };
    });
  assert.equal((await place()).end, 0);

  await ann.page.run(() => (document.querySelector(".log").scrollTop -= 3000));
  const { top } = await place();
  // The message under the reader's eye.
  const read = () =>
    ann.page.run(
      () =>
        [...document.querySelectorAll(".message")].find((row) => row.getBoundingClientRect().bottom > 400).textContent,
    );
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
    while ([...document.querySelectorAll(".message")].at(-1).querySelector(".text").textContent !== "quick?")
      await new Promise((resolve) => setTimeout(resolve));
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
  for (const name of [
    "skip",
    "Chat",
    "Dashboard",
    "Comparison",
    "rename",
    "lobby unread",
    "Leave lobby",
    "room",
    "Join",
    "Messages in lobby",
    "text",
    "Send",
  ]) {
    assert.ok(reached.includes(name), `${name} is not reached: ${reached}`);
  }
});

test("accessible, and in order on a phone and a desktop, light and dark", limit, async () => {
  const axe = readFileSync(process.env.AXE, "utf8");
  const server = await live("--node", "a-node-with-a-rather-long-name-eu-central-1");
  const ann = await Person.enter(server, "Ann");
  const bob = await Person.enter(server, "Bartholomäus-Maximilian Überlang");
  await ann.say("Has anybody seen the new release?");
  await bob.say(
    "Yes! A long word: " + "donaudampfschifffahrt".repeat(6),
    "And a longer text, which has to wrap on a phone. ".repeat(5),
    NASTY,
  );
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
  const entrance = await open(server.url);
  const check = async (page, name) => {
    for (const [device, width, height] of [
      ["desktop", 1280, 800],
      ["phone", 390, 844],
      ["small", 360, 640],
    ]) {
      for (const dark of [false, true]) {
        await page.size(width, height, { dark, phone: width < 1000 });
        if (name === "chat") {
          await bob.page.type(".");
          await page.until(() => document.querySelector("#typing").textContent !== "");
        }
        // A phone zooms out if a page is too wide.
        const wide = await page.run(
          (width) => Math.max(document.documentElement.scrollWidth, innerWidth) - width,
          width,
        );
        assert.equal(wide, 0, `${name} on ${device}: wider than the window`);
        await page.evaluate(`${axe}; 0`);
        const found = await page.run(async () => {
          const { violations } = await window.axe.run();
          return violations.map(
            ({ id, nodes }) =>
              `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n")}`,
          );
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
