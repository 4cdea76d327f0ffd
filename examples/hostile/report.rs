//! The table: one line for each attack as it ends, or JSON.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use crate::attack::Attack;
use crate::process::Measured;
use crate::verdict::Verdict;

/// What is printed of one attack.
pub struct Row<'a> {
    pub attack: &'a Attack,
    pub outcome: String,
    pub verdict: Verdict,
    pub cost: Cost,
}

#[derive(Default, Clone, Copy)]
pub struct Cost {
    /// Bytes that the peer took.
    pub sent: u64,
    pub wall: Duration,
    /// CPU time of the peer, and by how much its memory grew at most.
    pub cpu: Option<Duration>,
    pub memory: Option<u64>,
    /// The longest echo of the witness meanwhile.
    pub echo: Option<Duration>,
}

impl Cost {
    pub fn new(sent: u64, wall: Duration, used: Option<&Measured>) -> Self {
        Self {
            sent,
            wall,
            cpu: used.and_then(Measured::cpu),
            memory: used.and_then(Measured::memory),
            echo: None,
        }
    }

    /// The verdict, which is a failure if the memory has grown by more bytes than `most`.
    pub fn limit(&self, most: u64, (verdict, outcome): (Verdict, String)) -> (Verdict, String) {
        match self.memory {
            Some(bytes) if bytes > most => {
                let outcome = format!("{outcome}, and took {} MiB", bytes >> 20);
                (Verdict::Fail, outcome)
            }
            _ => (verdict, outcome),
        }
    }
}

pub struct Report {
    json: bool,
    counts: BTreeMap<Verdict, usize>,
    failed: Vec<String>,
}

impl Report {
    pub fn start(json: bool) -> Self {
        if !json {
            println!(
                "{:<35} {:<10} {:>9} {:>8} {:>7} {:>7} {:>8}  outcome (rule)",
                "attack", "verdict", "sent", "wall ms", "CPU ms", "MiB", "echo ms"
            );
        }
        Self {
            json,
            counts: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    pub fn row(&mut self, row: &Row<'_>) {
        *self.counts.entry(row.verdict).or_default() += 1;
        if row.verdict == Verdict::Fail {
            self.failed.push(row.attack.name.to_string());
        }
        println!("{}", if self.json { json(row) } else { line(row) });
    }

    /// Prints the sums. Returns whether all is well: nothing failed, and if `strict` nothing is
    /// NON-STRICT.
    pub fn end(self, strict: bool) -> bool {
        let count = |verdict| self.counts.get(&verdict).copied().unwrap_or(0);
        let [pass, non_strict, fail] =
            [Verdict::Pass, Verdict::NonStrict, Verdict::Fail].map(count);
        if !self.json {
            print!("\n{pass} PASS, {non_strict} NON-STRICT, {fail} FAIL");
            match count(Verdict::Skipped) {
                0 => println!(),
                skipped => println!(", {skipped} not played"),
            }
            self.failed
                .iter()
                .for_each(|name| println!("  FAIL {name}"));
        }
        pass > 0 && fail == 0 && !(strict && non_strict > 0)
    }
}

fn line(row: &Row<'_>) -> String {
    let Cost {
        sent,
        wall,
        cpu,
        memory,
        echo,
    } = row.cost;
    let ms = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e3);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    format!(
        "{:<35} {:<10} {:>9} {:>8} {:>7} {:>7} {:>8}  {} ({})",
        row.attack.name,
        row.verdict,
        bytes(sent),
        ms(wall),
        or_dash(cpu.map(ms)),
        or_dash(memory.map(|it| format!("{:.1}", it as f64 / f64::from(1 << 20)))),
        or_dash(echo.map(|it| format!("{:.2}", it.as_secs_f64() * 1e3))),
        row.outcome,
        row.attack.rule,
    )
}

/// A number of bytes in at most four digits and a unit.
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_240_000 => format!("{} KiB", count >> 10),
        _ => format!("{} MiB", count >> 20),
    }
}

fn json(row: &Row<'_>) -> String {
    let Cost {
        sent,
        wall,
        cpu,
        memory,
        echo,
    } = row.cost;
    let ms = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".into());
    format!(
        "{{\"attack\":{},\"rule\":{},\"verdict\":\"{}\",\"outcome\":{},\"sent_bytes\":{sent},\
         \"wall_ms\":{},\"cpu_ms\":{},\"memory_bytes\":{},\"echo_ms\":{}}}",
        quoted(&row.attack.name),
        quoted(row.attack.rule),
        row.verdict,
        quoted(&row.outcome),
        ms(wall),
        or_null(cpu.map(ms)),
        or_null(memory.map(|it| it.to_string())),
        or_null(echo.map(ms)),
    )
}

/// A string of JSON (RFC 8259 §7).
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\0'..' ' => _ = write!(quoted, "\\u{:04x}", u32::from(character)),
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}
