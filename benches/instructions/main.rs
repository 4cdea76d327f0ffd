//! The guard of speed: how many instructions the work for one message takes.
//!
//! ```text
//! cargo bench -p benches --bench instructions                compares with instructions.txt
//! cargo bench -p benches --bench instructions -- receive     only names that contain `receive`
//! cargo bench -p benches --bench instructions -- --update    writes instructions.txt
//! ```
//!
//! It fails if a count has grown by more than 5 %. If the growth is wanted, update the file in the
//! same change. Unlike a time, a count does not depend on what else the machine does.
//!
//! callgrind counts the instructions of this program while it repeats a workload: once with 1 round
//! and once with 3 rounds. The difference is the work of 2 rounds, without the start of the program
//! and without the first round, which allocates memory. The environment is the same on every
//! machine, and glibc copies with vector instructions and not with `rep movsb`, which counts every
//! byte. valgrind shows the same CPU to the program on every x86-64 CPU with AVX2, without AVX-512
//! and SHA instructions. Without AVX2, crates that detect SIMD at run time would take other ways.
//! So nothing is measured on other CPUs.
//!
//! Some rows count only the instructions that write into memory: see [`Counted::Writes`].
//!
//! The counts depend on the compiler, so the file names it, and a little on glibc.

use std::{
    env, fs,
    io::{self, ErrorKind},
    process::{Child, Command, ExitCode, Stdio},
};

use benches::counts::{Counts, Verdict};

mod workloads;

use workloads::{Counted, Workload};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
const ROUNDS: [u64; 2] = [1, 3];
const TUNABLES: &str = "glibc.cpu.x86_rep_movsb_threshold=0x7ffffff0:\
    glibc.cpu.x86_rep_stosb_threshold=0x7ffffff0";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let workloads = workloads::all();
    if let [run, name, rounds] = &*args
        && run == "--run"
    {
        return repeat(&workloads, name, rounds);
    }
    // `cargo bench` passes this argument, and `cargo test` does not.
    if !args.iter().any(|arg| arg == "--bench") {
        for workload in &workloads {
            (workload.start)().run(1);
        }
        return ExitCode::SUCCESS;
    }
    if !is_measured_here() {
        println!("not measured here: the stored counts are those of Linux on x86-64 with AVX2");
        return ExitCode::SUCCESS;
    }
    let update = args.iter().any(|arg| arg == "--update");
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    match guard(&workloads, filter.map_or("", String::as_str), update) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What valgrind counts.
fn repeat(workloads: &[Workload], name: &str, rounds: &str) -> ExitCode {
    let workload = workloads.iter().find(|workload| workload.name == name);
    let (Some(workload), Ok(rounds)) = (workload, rounds.parse()) else {
        eprintln!("usage: --run WORKLOAD ROUNDS");
        return ExitCode::FAILURE;
    };
    (workload.start)().run(rounds);
    ExitCode::SUCCESS
}

fn is_measured_here() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    return false;
}

/// Measures and prints all workloads whose name contains `filter`. Returns whether the guard
/// passes.
fn guard(workloads: &[Workload], filter: &str, update: bool) -> Result<bool, String> {
    let file = match fs::read_to_string(FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        file => file.map_err(|error| format!("{FILE}: {error}"))?,
    };
    let stored = Counts::parse(&file).map_err(|line| format!("{FILE}: wrong line: {line}"))?;
    let mut counts = stored.clone();
    let (mut fails, mut shrank) = (false, false);
    let head = ["instructions", "stored", "now", "change", "", "guards"];
    println!("{}", row(head));
    let chosen = (workloads.iter()).filter(|workload| workload.name.contains(filter));
    for workload in chosen {
        let Workload { name, guards, .. } = workload;
        let now = measure(workload)?;
        let verdict = stored.compare(name, now);
        let (before, change) = match stored.get(name) {
            Some(before) => {
                let change = (now as f64 / before as f64 - 1.0) * 100.0;
                (before.to_string(), format!("{change:+.1} %"))
            }
            None => ("-".into(), String::new()),
        };
        let count = now.to_string();
        let cells = [*name, &before, &count, &change, verdict.label(), guards];
        println!("{}", row(cells));
        counts.set(name, now);
        fails |= verdict.fails();
        shrank |= verdict == Verdict::Shrank;
    }
    let names: Vec<_> = workloads.iter().map(|workload| workload.name).collect();
    if update {
        let text = format!("{HEAD}# {}\n{}", compiler(), counts.lines(names));
        fs::write(FILE, text).map_err(|error| format!("{FILE}: {error}"))?;
        println!("written: {FILE}");
        return Ok(true);
    }
    let unknown = stored.unknown(&names);
    for name in &unknown {
        println!("{name}: stored, but there is no such workload");
    }
    fails |= !unknown.is_empty();
    let hint = "cargo bench -p benches --bench instructions -- --update";
    if fails {
        println!("\n{FILE} does not fit: see GREW and NOT STORED. If that is wanted: {hint}");
        let (before, now) = (file.lines().nth(2).unwrap_or_default(), compiler());
        if before != format!("# {now}") {
            println!("The file is from another compiler: {before}, now {now}");
        }
    } else if shrank {
        println!("\nSome counts have shrunk. Store them, so that they stay so: {hint}");
    }
    Ok(!fails)
}

const HEAD: &str = "\
# Instructions for one message, counted by callgrind. If one grows by more than 5 %, .ci/run fails.
# Written by: cargo bench -p benches --bench instructions -- --update
";

fn row([name, stored, now, change, verdict, guards]: [&str; 6]) -> String {
    format!("{name:39} {stored:>8} {now:>8} {change:>8} {verdict:10} {guards}")
}

/// The name and version of the compiler.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    version.unwrap_or_default().trim().to_owned()
}

/// Counts what one message takes.
fn measure(workload: &Workload) -> Result<u64, String> {
    let messages = (workload.start)().messages;
    let children = ROUNDS.map(|rounds| callgrind(workload, rounds));
    let [few, many] = children.map(|child| count(workload, child));
    Ok((many? - few?) / (ROUNDS[1] - ROUNDS[0]) / messages)
}

fn callgrind(workload: &Workload, rounds: u64) -> io::Result<Child> {
    let path = env::var_os("PATH").unwrap_or_default();
    // callgrind counts accesses to memory only if it simulates a cache.
    let cache = match workload.counted {
        Counted::Instructions => "--cache-sim=no",
        Counted::Writes => "--cache-sim=yes",
    };
    Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", cache])
        .arg(env::current_exe()?)
        .args(["--run", workload.name, &rounds.to_string()])
        .env_clear()
        .envs([("PATH", &*path), ("GLIBC_TUNABLES", TUNABLES.as_ref())])
        .stderr(Stdio::piped())
        .spawn()
}

/// Waits for callgrind and returns its count.
fn count(workload: &Workload, child: io::Result<Child>) -> Result<u64, String> {
    let name = workload.name;
    let output = match child.and_then(Child::wait_with_output) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err("valgrind is missing. Debian and Ubuntu: apt-get install valgrind".into());
        }
        output => output.map_err(|error| format!("{name}: {error}"))?,
    };
    let report = String::from_utf8_lossy(&output.stderr);
    // The totals: all instructions, and if a cache is simulated, those that read and that write.
    let totals = report
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let mut totals = totals.map_or("", |(_, totals)| totals).split(' ');
    let total = match workload.counted {
        Counted::Instructions => totals.next(),
        Counted::Writes => totals.nth(2),
    };
    match total.and_then(|total| total.parse().ok()) {
        Some(total) if output.status.success() => Ok(total),
        _ => Err(format!("{name}: valgrind failed:\n{report}")),
    }
}
