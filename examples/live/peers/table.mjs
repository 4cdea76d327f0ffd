// Prints the CSV files of run.sh as a table, with ratios to the first server: node table.mjs FOLDER NAME...
import { readFileSync } from "node:fs";

const [folder, ...names] = process.argv.slice(2);
const ROWS = [
  ["sent messages", "sent"],
  ["delivered messages", "delivered"],
  ["CPU a delivered message, µs", "cpu_us_a_delivery", true],
  ["memory a connection, KiB", "memory_idle_kib", true],
  ["memory after the load, KiB", "memory_loaded_kib", true],
  ["connect and join, median, ms", "connect_p50_ms", true],
  ["connect and join, p99, ms", "connect_p99_ms", true],
  ["to the reader, median, ms", "latency_p50_ms", true],
  ["to the reader, p90, ms", "latency_p90_ms", true],
  ["to the reader, p99, ms", "latency_p99_ms", true],
  ["to the reader, p99.9, ms", "latency_p999_ms", true],
  ["CPU of the server, s", "cpu_seconds"],
  ["CPU of the load tool, s", "load_cpu_seconds"],
  ["lost", "lost"],
  ["doubled", "doubled"],
  ["out of order", "disordered"],
  ["not connected", "failed"],
];

function read(name) {
  try {
    const [columns, values] = readFileSync(`${folder}/${name}.csv`, "utf8").trim().split("\n");
    const row = values.split(",");
    return Object.fromEntries(columns.split(",").map((column, n) => [column, Number(row[n])]));
  } catch {
    return {}; // it did not start
  }
}

const results = names.map(read);
console.log(`| | ${names.join(" | ")} |`);
console.log(`|---|${names.map(() => "---:|").join("")}`);
for (const [title, column, ratio] of ROWS) {
  const cells = results.map((result, n) => {
    const value = result[column];
    if (value === undefined) return "–";
    const times = ratio && n > 0 && results[0][column] > 0 ? ` (× ${(value / results[0][column]).toFixed(1)})` : "";
    return value.toLocaleString("en", { maximumFractionDigits: 2 }) + times;
  });
  console.log(`| ${title} | ${cells.join(" | ")} |`);
}
