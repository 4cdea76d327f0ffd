// The programs of the tests: `live`, and a Redis. All ports are chosen by the system.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { until } from "./chromium.mjs";

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

class Program {
  child = null;

  run(program, args, options = {}) {
    this.child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"], ...options });
    const { child } = this;
    children.add(child);
    child.on("exit", () => children.delete(child));
    return child;
  }

  /** kill -9. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended();
  }

  /** Stops all of its threads, and returns when they have stopped (Linux). It goes on after SIGCONT. */
  async suspend() {
    this.child.kill("SIGSTOP");
    const tasks = `/proc/${this.child.pid}/task`;
    const isStopped = (task) => readFileSync(`${tasks}/${task}/stat`, "utf8").includes(") T ");
    await until("the program has stopped", () => readdirSync(tasks).every(isStopped));
  }

  async ended() {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "exit");
  }
}

export class Live extends Program {
  url = "";
  #args;

  constructor(...args) {
    super();
    this.#args = args;
  }

  static async start(...args) {
    const live = new Live(...args);
    await live.start();
    return live;
  }

  /** Starts it, again on the same port. */
  async start() {
    const listen = this.url === "" ? "127.0.0.1:0" : new URL(this.url).host;
    const [program, ...first] = process.env.LIVE.split(" ");
    const child = this.run(program, [...first, "--listen", listen, ...this.#args]);
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (data) => (output += data));
    const [, url] = await until("live listens", () => {
      if (child.exitCode !== null) throw new Error(`live has ended with ${child.exitCode}`);
      return /^listening on (\S+)\n/.exec(output);
    });
    this.url = `${url}/`;
  }
}

/** A Redis that writes all that it has accepted to its disk before it answers. */
export class Redis extends Program {
  #folder = mkdtempSync(path.join(tmpdir(), "live-redis-"));
  url = `redis+unix://${this.#folder}/socket`;

  static async start() {
    const redis = new Redis();
    await redis.start();
    return redis;
  }

  async start() {
    const options = {
      port: 0,
      unixsocket: `${this.#folder}/socket`,
      dir: this.#folder,
      save: "",
      appendonly: "yes",
      appendfsync: "always",
    };
    const child = this.run(
      "redis-server",
      Object.entries(options).flatMap(([key, value]) => [`--${key}`, `${value}`]),
    );
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (data) => (output += data));
    await until("redis-server is ready", () => output.includes("eady to accept connections"));
  }

  /** Of a Redis that was killed. */
  forget() {
    rmSync(`${this.#folder}/appendonlydir`, { recursive: true });
  }

  async end() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
