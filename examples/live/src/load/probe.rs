//! Memory and CPU time of the servers, and of this process.
use std::fs;

use super::http::Node;

#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Resident memory in bytes.
    pub memory: f64,
    /// CPU time in seconds, user and system.
    pub cpu: f64,
    /// It has or had connections of the chat, as far as it tells. Their memory is not all given back.
    pub used: bool,
}

/// Of all servers together. `None` if one of them does not tell.
pub async fn servers(nodes: &[Node], pids: &[u32]) -> Option<Sample> {
    let mut sum = Sample::default();
    let mut add = |sample: Sample| {
        sum.memory += sample.memory;
        sum.cpu += sample.cpu;
        sum.used |= sample.used;
    };
    for pid in pids {
        add(process(&pid.to_string())?);
    }
    if pids.is_empty() {
        for node in nodes {
            add(metrics(&String::from_utf8_lossy(
                &node.get("/metrics").await.ok()?,
            ))?);
        }
    }
    Some(sum)
}

/// Of this process.
pub fn own() -> Sample {
    process("self").unwrap_or_default()
}

/// From the text format of Prometheus.
fn metrics(text: &str) -> Option<Sample> {
    let value = |names: [&str; 2]| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(' ')?;
            names.contains(&name).then(|| value.trim().parse().ok())?
        })
    };
    let open = value(["live_connections"; 2]).is_some_and(|open| open > 0.0);
    let ended = text
        .lines()
        .any(|line| line.starts_with("live_closed_total{"));
    Some(Sample {
        memory: value(["process_resident_memory_bytes"; 2])?,
        cpu: value(["process_cpu_seconds", "process_cpu_seconds_total"])?,
        used: open || ended,
    })
}

fn process(pid: &str) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = memory.trim().strip_suffix(" kB")?.parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, can contain blanks. The times are the 14th and 15th field.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some(Sample {
        memory: kib * 1024.0,
        cpu: (ticks()? + ticks()?) / 100.0, // Linux counts for programs in 1/100 s
        used: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_prometheus() {
        let text = "# HELP process_cpu_seconds CPU\nprocess_cpu_seconds 1.5\n\
                    process_resident_memory_bytes 4096\n# EOF\n";
        let sample = metrics(text).unwrap();
        assert_eq!((sample.memory, sample.cpu), (4096.0, 1.5));
        let sample = metrics(&text.replace("seconds 1", "seconds_total 2")).unwrap();
        assert_eq!(sample.cpu, 2.5);
        let used = |more: &str| metrics(&format!("{text}{more}")).unwrap().used;
        assert!(!used("") && !used("live_connections 0\n"));
        assert!(used("live_connections 1\n") && used("live_closed_total{code=\"1000\"} 3\n"));
        assert!(metrics("process_cpu_seconds 1").is_none());
    }

    #[test]
    fn reads_this_process() {
        let memory = own().memory;
        assert!(memory > 1e6, "{memory}");
        assert!(process("0").is_none());
    }
}
