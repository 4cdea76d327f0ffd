// Headless Chromium, driven by its DevTools protocol: texts of JSON over two pipes, each ends with a zero byte.
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const DEADLINE = 20_000; // milliseconds

const FLAGS = [
  "--headless",
  "--no-sandbox", // the sandbox refuses to run as root
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--hide-scrollbars",
  "--remote-debugging-pipe",
];

const KEYS = {
  Enter: { code: "Enter", windowsVirtualKeyCode: 13, text: "\r" },
  Tab: { code: "Tab", windowsVirtualKeyCode: 9 },
  Escape: { code: "Escape", windowsVirtualKeyCode: 27 },
};

/** Waits until `look` returns something true, and returns it. What it throws is shown if it never does. */
export async function until(what, look) {
  const end = Date.now() + DEADLINE;
  let last;
  for (;;) {
    try {
      last = await look();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end)
      throw new Error(`not in ${DEADLINE} ms: ${what}; last: ${last?.stack ?? JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export class Browser {
  #events = new EventEmitter().setMaxListeners(0);
  #calls = new Map();
  #last = 0;
  #commands;
  #child;
  #profile = mkdtempSync(path.join(tmpdir(), "live-chromium-"));

  constructor(program = process.env.CHROMIUM ?? "chromium") {
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"];
    // A process group of its own: all of its processes end together.
    this.#child = spawn(program, [...FLAGS, `--user-data-dir=${this.#profile}`], { stdio, detached: true });
    process.on("exit", () => this.#kill());
    this.#commands = this.#child.stdio[3];
    let rest = "";
    this.#child.stdio[4].setEncoding("utf8").on("data", (data) => {
      const texts = (rest + data).split("\0");
      rest = texts.pop();
      for (const text of texts) this.#received(JSON.parse(text));
    });
  }

  call(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    const answer = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject, method }));
    this.#commands.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return answer;
  }

  /** A new tab with storage of its own, at a URL. */
  async page(url = undefined) {
    const { browserContextId } = await this.call("Target.createBrowserContext");
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    this.#events.on(sessionId, (message) => page.event(message));
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page.call(`${domain}.enable`);
    await page.size(1280, 800);
    if (url) await page.visit(url);
    return page;
  }

  async close() {
    const ended = once(this.#child, "exit");
    this.#kill();
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }

  #received({ id, result, error, sessionId, ...event }) {
    if (id === undefined) {
      this.#events.emit(sessionId ?? "browser", event);
      return;
    }
    const { resolve, reject, method } = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) reject(new Error(`${method}: ${error.message}`));
    else resolve(result);
  }

  #kill() {
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  }
}

export class Page {
  /** What should not happen: exceptions, and what the Content-Security-Policy has blocked. */
  errors = [];
  #browser;
  #session;
  #target;

  constructor(browser, session, target) {
    this.#browser = browser;
    this.#session = session;
    this.#target = target;
  }

  call(method, params) {
    return this.#browser.call(method, params, this.#session);
  }

  event({ method, params }) {
    if (method === "Runtime.exceptionThrown") {
      this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    } else if (method === "Log.entryAdded" && params.entry.level === "error" && params.entry.source !== "network") {
      this.errors.push(params.entry.text);
    } else if (method === "Page.javascriptDialogOpening") {
      this.errors.push(`a dialog: ${params.message}`);
      this.call("Page.handleJavaScriptDialog", { accept: true });
    }
  }

  async visit(url) {
    const { errorText } = await this.call("Page.navigate", { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await this.until(() => document.readyState === "complete" && location.href !== "about:blank");
  }

  async reload() {
    await this.run(() => (window.old = true));
    await this.call("Page.reload");
    await this.until(() => !window.old && document.readyState === "complete");
  }

  /** Calls the function in the page and returns its result. */
  run(called, ...args) {
    return this.evaluate(`(${called})(...${JSON.stringify(args)})`);
  }

  async evaluate(expression) {
    const params = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", params);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until the function returns something true in the page. */
  until(called, ...args) {
    return until(`${called}`, () => this.run(called, ...args));
  }

  /** Types into what has the focus, as a user does. */
  async type(text) {
    await this.call("Input.insertText", { text });
  }

  async press(key) {
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", key, ...KEYS[key] });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", key, ...KEYS[key] });
  }

  async size(width, height, { dark = false, phone = false } = {}) {
    await this.call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: phone });
    await this.call("Emulation.setTouchEmulationEnabled", { enabled: phone });
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await this.call("Emulation.setEmulatedMedia", { features });
  }

  async offline(offline) {
    await this.call("Network.emulateNetworkConditions", {
      offline,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
  }

  async screenshot(file) {
    const { data } = await this.call("Page.captureScreenshot", { format: "png" });
    writeFileSync(file, Buffer.from(data, "base64"));
  }

  async close() {
    await this.#browser.call("Target.closeTarget", { targetId: this.#target });
  }
}
