// The page of the dashboard in Chromium, with the real server. See ../browser.sh.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Browser } from "./chromium.mjs";
import { Live } from "./programs.mjs";

const OUTPUT = process.env.OUTPUT;
const limit = { timeout: 120_000 };

let browser;
let live;
let page;

before(() => {
  browser = new Browser();
});
after(() => browser.close());
afterEach(async () => {
  const { errors } = page;
  await page.close();
  await live.kill();
  assert.deepEqual(errors, [], "errors in the page");
});

async function open() {
  live = await Live.start();
  page = await browser.page(`${live.url}dashboard`);
  await isLive();
}

const isLive = () => page.until(() => document.getElementById("status").textContent === "Live");
/** The text of the first value of a row. */
const value = (row) => page.run((row) => document.querySelectorAll("#rows tr")[row].cells[1].textContent, row);

test("the plots and the table show the server", limit, async () => {
  await open();
  await page.until(() => document.querySelectorAll("#rows tr")[5].cells[1].textContent !== "");
  assert.match(await value(5), /^[1-9]/, "connections: at least this page");
  assert.match(await value(9), / MB$/, "memory");
  assert.equal(await value(6), "–", "nothing was published");
  // The next drawing has more of the line.
  const line = () => page.run(() => document.querySelector("path").getAttribute("d").length);
  const first = await line();
  await page.until((first) => document.querySelector("path").getAttribute("d").length > first, first);
});

test("accessible, and in order on a phone and a desktop, light and dark", limit, async () => {
  const axe = readFileSync(process.env.AXE, "utf8");
  await open();
  await page.until(() => document.querySelector("path").getAttribute("d").split("L").length > 20);
  for (const [device, width, height] of [["phone", 390, 844], ["desktop", 1280, 1000]]) {
    for (const dark of [false, true]) {
      await page.size(width, height, { dark, phone: device === "phone" });
      assert.equal(await page.run(() => document.documentElement.scrollWidth), width, `wider than a ${device}`);
      await page.evaluate(`${axe}; 0`);
      const found = await page.run(async () => {
        const { violations } = await window.axe.run();
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`);
      });
      assert.deepEqual(found, [], `${device}, ${dark ? "dark" : "light"}`);
      await page.screenshot(path.join(OUTPUT, `dashboard-${device}-${dark ? "dark" : "light"}.png`));
    }
  }
});

test("the keyboard reaches the time and the pause", limit, async () => {
  await open();
  await page.run(() => document.getElementById("age").focus());
  await page.run(() => (document.getElementById("age").value = -2));
  await page.run(() => document.getElementById("age").dispatchEvent(new Event("input")));
  assert.equal(await page.run(() => document.getElementById("age-text").textContent), "2.0 s ago");
  assert.equal(await page.run(() => document.querySelector("line.mark").hasAttribute("hidden")), false);
  await page.press("Tab");
  assert.equal(await page.run(() => document.activeElement.id), "pause");
  await page.press("Enter");
  assert.equal(await page.run(() => document.activeElement.getAttribute("aria-pressed")), "true");
  const line = () => page.run(() => document.querySelector("path").getAttribute("d"));
  const paused = await line();
  // Meanwhile the server has sent all that it sends without answers.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  assert.equal(await line(), paused);
  await page.press("Enter");
  await page.until((paused) => document.querySelector("path").getAttribute("d") !== paused, paused);
  // One message has what it has missed: 3 s are 30 samples, and the first message had 5.
  await page.until(() => document.querySelector("path").getAttribute("d").split("L").length > 30);
});

test("it connects again to a server that was restarted", limit, async () => {
  await open();
  await live.kill();
  await page.until(() => /^Not connected/.test(document.getElementById("status").textContent));
  await live.start();
  await isLive();
});
