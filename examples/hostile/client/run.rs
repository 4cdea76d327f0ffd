//! Plays all attacks, each on the next client that connects.
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{attacks, play::play};
use crate::args::Options;
use crate::attack::Attack;
use crate::process::Process;
use crate::report::{Cost, Report, Row};
use crate::start::{shell, stop};
use crate::verdict::{Verdict, judge};

/// The time that a client has to connect, once it was started.
const CONNECT: Duration = Duration::from_secs(10);
/// The time that it has to crash.
const CRASH: Duration = Duration::from_millis(100);
const TICK: Duration = Duration::from_millis(2);

/// Returns whether the clients have passed.
pub fn run(options: &Options) -> Result<bool, String> {
    let text = |error: std::io::Error| format!("{}: {error}", options.listen);
    let addr = options.listen.to_socket_addrs().map_err(text)?.next();
    let addr = addr.ok_or(format!("{} is no address", options.listen))?;
    options.allow(addr)?;
    let listener = TcpListener::bind(addr).map_err(text)?;
    listener.set_nonblocking(true).map_err(text)?;
    let url = format!("ws://{}", listener.local_addr().map_err(text)?);
    if options.run.is_none() && !options.json {
        println!("listening on {url}: each connection gets the next attack");
    }
    let is_chosen = |it: &Attack| {
        options.wants(&it.name) && (!it.is_slow() || options.times.patience.is_some())
    };
    let mut report = Report::start(options.json);
    for attack in attacks(options.count).iter().filter(|it| is_chosen(it)) {
        let (verdict, outcome, cost) = one(attack, &listener, &url, options)?;
        report.row(&Row {
            attack,
            outcome,
            verdict,
            cost,
        });
    }
    Ok(report.end(options.strict))
}

fn one(
    attack: &Attack,
    listener: &TcpListener,
    url: &str,
    options: &Options,
) -> Result<(Verdict, String, Cost), String> {
    let mut child = match &options.run {
        Some(command) => {
            let mut shell = shell(&command.replace("{url}", url));
            // Its input stays open: many clients end with their input.
            shell
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            Some(
                shell
                    .spawn()
                    .map_err(|error| format!("{command}: {error}"))?,
            )
        }
        None => None,
    };
    let process = child.as_ref().map(Child::id).or(options.pid).map(Process);
    let result = accept(listener, child.as_mut()).and_then(|stream| {
        let used = process.map(Process::measure);
        let start = Instant::now();
        let played = play(&stream, attack, options.times)?;
        let cost = Cost::new(played.seen.sent, start.elapsed(), used.as_ref());
        Ok((
            cost.limit(options.memory, judge(attack, &played.seen)),
            cost,
        ))
    });
    let ((mut verdict, mut outcome), cost) =
        result.unwrap_or_else(|error| ((Verdict::Fail, error), Cost::default()));
    if let Some(child) = &mut child {
        if let Some(crash) = ended(child, CRASH).and_then(crash) {
            (verdict, outcome) = (Verdict::Fail, format!("{outcome}; {crash}"));
        }
        stop(child);
        while listener.accept().is_ok() {} // it may have connected again
    }
    Ok((verdict, outcome, cost))
}

/// The next connection. Without a child it waits for ever.
fn accept(listener: &TcpListener, mut child: Option<&mut Child>) -> Result<TcpStream, String> {
    let end = Instant::now() + CONNECT;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let blocking = stream.set_nonblocking(false);
                let ready = blocking.and_then(|()| stream.set_nodelay(true));
                return ready.map(|()| stream).map_err(|error| error.to_string());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
        if let Some(child) = &mut child
            && (Instant::now() > end || ended(child, Duration::ZERO).is_some())
        {
            return Err("it has not connected".into());
        }
        sleep(TICK);
    }
}

fn ended(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < end => sleep(TICK),
            status => return status.ok().flatten(),
        }
    }
}

/// Whether a program has ended in another way than by its own decision.
fn crash(status: ExitStatus) -> Option<String> {
    match status.code() {
        None => Some(format!("it crashed: {status}")),
        Some(101) => Some("it panicked".into()), // Rust
        Some(128..) => Some(format!("it crashed: {status}")),
        Some(_) => None,
    }
}
