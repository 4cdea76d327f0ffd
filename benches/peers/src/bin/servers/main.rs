mod contestants;
mod install;
mod load;
mod process;
mod serve;
mod wire;

use contestants::*;
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|it| it == "serve") {
        serve::run(&args[1]).unwrap();
        return;
    }
    process::raise_file_limit();
    if args[0] == "at" {
        let addr = args[1].parse().unwrap();
        let n: Vec<usize> = args[2].split(',').map(|x| x.parse().unwrap()).collect();
        let cell = wire::Batches::new(n[1], n[2], false);
        let mut load = load::Load::open(addr, n[0], false).unwrap();
        let r = load
            .run(&cell, Duration::from_secs(args[3].parse().unwrap()), true)
            .unwrap();
        println!("{}", r.messages);
        return;
    }
    let places = Places::new().unwrap();
    let wanted: Vec<&Contestant> = CONTESTANTS
        .iter()
        .filter(|c| args.len() < 2 || args[1].split('/').any(|a| c.name.contains(a)))
        .collect();
    if args[0] == "install" {
        install::examples(&wanted, &places).unwrap();
        install::others(&wanted, &places);
        return;
    }
    install::examples(&wanted, &places).unwrap();
    let mut servers = Vec::new();
    for c in &wanted {
        match c.command(&places).and_then(|cmd| {
            process::Server::start(cmd, &places.logs().join(c.name.replace(' ', "_")))
        }) {
            Ok(s) => servers.push((c, s)),
            Err(e) => println!("{}: {e}", c.name),
        }
    }
    if args[0] == "memory" {
        for (c, s) in &servers {
            let cell = wire::Batches::new(16, 1, c.is_raw());
            let mut load = load::Load::open(s.addr, 500, c.is_raw()).unwrap();
            load.run(&cell, Duration::ZERO, true).unwrap();
            std::thread::sleep(Duration::from_secs(1));
            let a = s.resident().unwrap();
            let n = 5000.min(c.most);
            load.add(s.addr, n, c.is_raw()).unwrap();
            load.run(&cell, Duration::ZERO, true).unwrap();
            std::thread::sleep(Duration::from_secs(2));
            let b = s.resident().unwrap();
            println!("{:40} {}", c.name, (b as i64 - a as i64) / n as i64);
        }
        return;
    }
    let rounds: usize = args[2].parse().unwrap();
    for spec in &args[3..] {
        let v: Vec<usize> = spec.split(',').map(|x| x.parse().unwrap()).collect();
        let mut out: Vec<Vec<(f64, f64, u32, u32)>> = vec![vec![]; servers.len()];
        for r in 0..rounds {
            for i in 0..servers.len() {
                let i = (i + r) % servers.len();
                let (c, s) = &servers[i];
                if v[0] > c.most {
                    continue;
                }
                let cell = wire::Batches::new(v[1], v[2], c.is_raw());
                let mut load = load::Load::open(s.addr, v[0], c.is_raw()).unwrap();
                if let Err(e) = load.run(&cell, Duration::from_millis(100), true) {
                    println!("{}: {e}", c.name);
                    continue;
                }
                s.settle();
                let t = s.cpu();
                match load.run(&cell, Duration::from_millis(300), false) {
                    Err(e) => println!("{}: {e}", c.name),
                    Ok(mut run) => {
                        std::thread::sleep(Duration::from_millis(1));
                        let t = s.cpu() - t;
                        run.latencies.sort();
                        let n = run.latencies.len();
                        out[i].push((
                            t.as_nanos() as f64 / run.messages as f64,
                            run.messages as f64 / run.time.as_secs_f64(),
                            run.latencies[n / 2],
                            run.latencies[n * 99 / 100],
                        ));
                    }
                }
                drop(load);
                s.settle();
            }
        }
        println!("--- {spec}");
        let mut raw = 0.0;
        for (i, (c, _)) in servers.iter().enumerate() {
            let o = &mut out[i];
            if o.is_empty() {
                continue;
            }
            o.sort_by(|a, b| a.0.total_cmp(&b.0));
            let m = o[o.len() / 2];
            if raw == 0.0 {
                raw = m.0
            }
            println!(
                "{:40} {:9.0} (min {:9.0}) {:6.3} {:9.0}/s p50 {:8.1} us p99 {:8.1} us",
                c.name,
                m.0,
                o[0].0,
                m.0 / raw,
                m.1,
                m.2 as f64 / 1e3,
                m.3 as f64 / 1e3
            );
        }
    }
}
