// The comparison in Chromium, with the real server. See ../browser.sh.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Browser } from "./chromium.mjs";
import { Live } from "./programs.mjs";

const limit = { timeout: 120_000 };

let browser;
let live;
let pages = [];

before(async () => {
  browser = new Browser();
  live = await Live.start();
});
after(async () => {
  await browser.close();
  await live.kill();
});
afterEach(async () => {
  const errors = pages.flatMap((page) => page.errors);
  await Promise.all(pages.map((page) => page.close()));
  pages = [];
  assert.deepEqual(errors, [], "errors in a page");
});

async function open(rate) {
  const page = await browser.page(`${live.url}compare`);
  pages.push(page);
  await page.until(() => document.getElementById("status").textContent === "running");
  await choose(page, "rate", rate);
  return page;
}

function choose(page, id, value) {
  return page.run((id, value) => {
    const select = document.getElementById(id);
    select.value = value;
    select.dispatchEvent(new Event("change"));
  }, id, String(value));
}

/** The four figures of a row, as numbers if they are. */
function row(page, name) {
  return page.run((name) => {
    const rows = [...document.querySelectorAll("#results tr")];
    const cells = rows.find((row) => row.firstChild.textContent === name).querySelectorAll("td");
    return [...cells].map(({ textContent }) => {
      const value = Number(textContent.replaceAll(",", ""));
      return Number.isNaN(value) ? textContent : value;
    });
  }, name);
}

async function until(page, name, holds) {
  for (let tries = 0; tries < 600; tries += 1) {
    const values = await row(page, name);
    if (holds(values)) return values;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${name}: ${await row(page, name)}`);
}

const atLeast = (count) => (values) => values.every((value) => value >= count);
const all = (value) => (values) => values.every((other) => other === value);

test("all four deliver the same, and the server counts them apart", limit, async () => {
  const page = await open(10);
  await until(page, "Arrived", atLeast(30));
  assert.deepEqual(await row(page, "Missed"), [0, 0, 0, 0]);
  assert.deepEqual(await row(page, "Arrived twice"), [0, 0, 0, 0]);
  const [short, long, events, ws] = await row(page, "Requests");
  assert.deepEqual([events, ws], [1, 1]);
  assert.ok(short >= 3 && long > short, `${short} ${long}`);
  const received = await row(page, "Bytes received");
  const sent = await row(page, "Bytes sent");
  assert.ok(received[1] > received[2] && received[2] > received[3], received.join());
  assert.ok(sent[1] > sent[0] && sent[0] > 2 * sent[2], sent.join());
  // The sent bytes of a stream are those of one request, which does not change.
  assert.deepEqual(sent.slice(2), (await row(page, "Bytes sent")).slice(2));
  const [polled, ...pushed] = (await row(page, "Latency, median")).map((text) => parseFloat(text));
  assert.ok(pushed.every((latency) => latency >= 0 && latency < polled), `${polled} ${pushed}`);
});

test("two viewers do not mix", limit, async () => {
  const [a, b] = [await open(10), await open(10)];
  for (const page of [a, b]) {
    await until(page, "Arrived", atLeast(10));
    const [, , ...streams] = await row(page, "Requests");
    assert.deepEqual(streams, [1, 1]);
  }
});

test("the rate, the interval and the stop do what they say", limit, async () => {
  const page = await open(0);
  await choose(page, "interval", 200);
  await until(page, "Requests", ([short]) => short >= 10);
  assert.deepEqual(await row(page, "Arrived"), [0, 0, 0, 0]);
  assert.deepEqual((await row(page, "Requests")).slice(1), [1, 1, 1]);
  await choose(page, "rate", 100);
  await until(page, "Arrived", atLeast(100));
  await page.run(() => document.getElementById("toggle").click());
  assert.deepEqual(await row(page, "State"), Array(4).fill("closed"));
  assert.equal(await page.run(() => document.getElementById("status").textContent), "stopped");
  await page.run(() => document.getElementById("toggle").click());
  await until(page, "State", all("open"));
});

test("nothing is missed or doubled after the network was away", limit, async () => {
  const page = await open(10);
  await until(page, "Arrived", atLeast(10));
  await page.offline(true);
  await until(page, "State", ([short]) => short === "waiting");
  await page.offline(false);
  await until(page, "State", all("open"));
  const [reached] = await row(page, "Arrived");
  await until(page, "Arrived", atLeast(reached + 20));
  assert.deepEqual(await row(page, "Missed"), [0, 0, 0, 0]);
  assert.deepEqual(await row(page, "Arrived twice"), [0, 0, 0, 0]);
});

test("another session begins when the server was started anew", limit, async () => {
  const page = await open(10);
  await until(page, "Arrived", atLeast(10));
  await live.kill();
  await until(page, "State", all("waiting"));
  await live.start();
  await until(page, "State", all("open"));
  await until(page, "Arrived", atLeast(5));
  assert.deepEqual(await row(page, "Missed"), [0, 0, 0, 0]);
});

test("accessible, and nothing is cut off on a phone and on a desktop", limit, async () => {
  const axe = readFileSync(process.env.AXE, "utf8");
  const page = await open(10);
  await until(page, "Arrived", atLeast(100));
  for (const [device, width, height, phone] of [["phone", 360, 740, true], ["desktop", 1280, 1100, false]]) {
    for (const dark of [false, true]) {
      const name = `${device}-${dark ? "dark" : "light"}`;
      await page.size(width, height, { phone, dark });
      const wide = await page.run(() => {
        const boxes = [document.documentElement, ...document.querySelectorAll(".scroll, .card, th, td, dt, button, select")];
        return boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.outerHTML.slice(0, 60));
      });
      assert.deepEqual(wide, [], name);
      await page.evaluate(`${axe}; 0`);
      const violations = await page.run(async () => {
        const { violations } = await window.axe.run();
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      });
      assert.deepEqual(violations, [], name);
      await page.screenshot(path.join(process.env.OUTPUT, `compare-${name}.png`));
    }
  }
});
