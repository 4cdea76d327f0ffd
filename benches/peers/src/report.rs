//! Tables, CSV and plots.

use std::{error::Error, path::Path};

use crate::{
    contestants::Side,
    plot::{self, Axis, Series},
    run::{Failure, Row},
    tasks::Group,
    workloads::SIZES,
};

type Outcome = Result<(), Box<dyn Error>>;

/// For each workload and contestant the fastest of its variants, in the order of the rows.
pub fn fastest(rows: &[Row]) -> Vec<&Row> {
    let mut fastest: Vec<&Row> = Vec::new();
    for row in rows.iter().filter(|it| !it.is_again) {
        let same = |it: &&mut &Row| {
            it.workload == row.workload && it.contestant == row.contestant && it.group == row.group
        };
        match fastest.iter_mut().rev().find(same) {
            Some(best) if best.ns.median <= row.ns.median => {}
            Some(best) => *best = row,
            None => fastest.push(row),
        }
    }
    fastest
}

/// The medians against which a row is compared.
struct Marks<'a> {
    /// All peers, the fastest first.
    peers: Vec<&'a Row>,
    floors: Vec<&'a Row>,
}

impl<'a> Marks<'a> {
    fn of(workload: &[&'a Row]) -> Self {
        let side = |side| workload.iter().copied().filter(move |it| it.side == side);
        let mut peers: Vec<&Row> = side(Side::Peer).collect();
        peers.sort_by(|a, b| a.ns.median.total_cmp(&b.ns.median));
        Self {
            peers,
            floors: side(Side::Floor).collect(),
        }
    }

    fn best(&self) -> Option<&'a Row> {
        self.peers.first().copied()
    }

    fn to_best(&self, row: &Row) -> Option<f64> {
        Some(row.ns.median / self.best()?.ns.median)
    }

    /// The fastest peer of the same group.
    fn to_alike(&self, row: &Row) -> Option<f64> {
        let alike = self.peers.iter().find(|it| it.group == row.group)?;
        Some(row.ns.median / alike.ns.median)
    }

    /// The floor of the same group.
    fn to_floor(&self, row: &Row) -> Option<f64> {
        let floor = self.floors.iter().find(|it| it.group == row.group)?;
        Some(row.ns.median / floor.ns.median)
    }
}

/// The rows of each workload.
fn by_workload<'a>(rows: &[&'a Row]) -> Vec<Vec<&'a Row>> {
    let same = |a: &&Row, b: &&Row| a.workload == b.workload;
    rows.chunk_by(same).map(<[&Row]>::to_vec).collect()
}

fn ratio(value: Option<f64>) -> String {
    value.map_or("-".into(), |it| match it {
        ..10.0 => format!("{it:.2}"),
        _ => format!("{it:.1}"),
    })
}

fn ns(value: f64) -> String {
    match value {
        ..100.0 => format!("{value:.1}"),
        ..10_000.0 => format!("{value:.0}"),
        _ => format!("{:.1}k", value / 1e3),
    }
}

/// Who is left out, and why.
pub fn failures(failures: &[Failure]) -> String {
    let mut kinds: Vec<((&str, &str), Vec<&str>)> = Vec::new();
    for failure in failures {
        let kind = (failure.contestant, &*failure.reason);
        let workload = &*failure.workload;
        match kinds.iter_mut().find(|it| it.0 == kind) {
            Some((_, workloads)) if workloads.contains(&workload) => {}
            Some((_, workloads)) => workloads.push(workload),
            None => kinds.push((kind, vec![workload])),
        }
    }
    let line = |((contestant, reason), workloads): ((&str, &str), Vec<&str>)| {
        let workloads = workloads.join(", ");
        format!("LEFT OUT, in some shape at least: {contestant}: {reason}: {workloads}\n")
    };
    kinds.into_iter().map(line).collect()
}

/// One table for each workload.
pub fn tables(rows: &[&Row]) -> String {
    let mut text = String::new();
    for mut workload in by_workload(rows) {
        let marks = Marks::of(&workload);
        workload.sort_by(|a, b| a.ns.median.total_cmp(&b.ns.median));
        text += &format!(
            "\n{:<34} {:>9} {:>8} {:>8} {:>8} {:>7}\n",
            workload[0].workload, "median ns", "x best", "x alike", "x floor", "spread"
        );
        for row in workload {
            text += &format!(
                "  {:<32} {:>9} {:>8} {:>8} {:>8} {:>6.1}%  {}\n",
                named(row),
                ns(row.ns.median),
                ratio(marks.to_best(row)),
                ratio(marks.to_alike(row)),
                ratio(marks.to_floor(row)),
                100.0 * row.ns.spread(),
                row.variant,
            );
        }
    }
    text + "\n\"x best\" is against the fastest library besides ours, \"x alike\" against the fastest \
        that copies, or gathers, as well,\n\"x floor\" against plain code for the same work. \
        \"spread\" is the distance of the quartiles.\n"
}

fn named(row: &Row) -> String {
    let gather = match row.group {
        Group::Copy => "",
        Group::Gather => " (gather)",
    };
    let again = if row.is_again { " (again)" } else { "" };
    format!("{}{gather}{again}", row.contestant)
}

/// One line for each workload: ours beside the best.
pub fn summary(rows: &[&Row]) -> String {
    let mut text = format!(
        "\n{:<34} {:>9} {:>9} {:>9} {:>7} {:>7} {:>7}  {:<24} {}\n",
        "ours beside the best",
        "ours",
        "floor",
        "best",
        "x best",
        "x alike",
        "x floor",
        "best library",
        "our other ways (x best, x floor)"
    );
    for workload in by_workload(rows) {
        let marks = Marks::of(&workload);
        let mut ours = workload.iter().filter(|it| it.side == Side::Ours);
        let Some(first) = ours.next() else { continue };
        let floor = marks.floors.iter().find(|it| it.group == first.group);
        let others: Vec<String> = ours
            .map(|it| {
                let name = it.contestant.trim_start_matches("ours");
                let name = name.trim_start_matches([',', ' ']);
                let (best, floor) = (ratio(marks.to_best(it)), ratio(marks.to_floor(it)));
                format!("{name} ({best}, {floor})")
            })
            .collect();
        text += &format!(
            "{:<34} {:>9} {:>9} {:>9} {:>7} {:>7} {:>7}  {:<24} {}\n",
            first.workload,
            ns(first.ns.median),
            floor.map_or("-".into(), |it| ns(it.ns.median)),
            marks.best().map_or("-".into(), |it| ns(it.ns.median)),
            ratio(marks.to_best(first)),
            ratio(marks.to_alike(first)),
            ratio(marks.to_floor(first)),
            marks.best().map_or("-".into(), named),
            others.join(", "),
        );
    }
    text
}

/// One line for each workload and contestant.
pub fn csv(path: &Path, rows: &[&Row]) -> Outcome {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut csv = csv::Writer::from_path(path)?;
    csv.write_record([
        "workload",
        "contestant",
        "side",
        "group",
        "variant",
        "median_ns",
        "min_ns",
        "q1_ns",
        "q3_ns",
        "rounds",
        "to_best_peer",
        "to_best_alike",
        "to_floor",
    ])?;
    for workload in by_workload(rows) {
        let marks = Marks::of(&workload);
        for row in workload {
            let number = |it: f64| format!("{it:.3}");
            let ratio = |it: Option<f64>| it.map(number).unwrap_or_default();
            csv.write_record([
                row.workload.clone(),
                row.contestant.to_owned(),
                format!("{:?}", row.side).to_lowercase(),
                format!("{:?}", row.group).to_lowercase(),
                row.variant.clone(),
                number(row.ns.median),
                number(row.ns.min),
                number(row.ns.q1),
                number(row.ns.q3),
                row.ns.rounds.to_string(),
                ratio(marks.to_best(row)),
                ratio(marks.to_alike(row)),
                ratio(marks.to_floor(row)),
            ])?;
        }
    }
    csv.flush()?;
    Ok(())
}

/// What is drawn: the workloads without their size, the file, the title.
const PLOTS: [(&str, &str, &str); 6] = [
    (
        "receive/server/binary/",
        "receive_server_binary",
        "Receiving binary messages, server",
    ),
    (
        "receive/server/ascii/",
        "receive_server_ascii",
        "Receiving ASCII texts, server",
    ),
    (
        "receive/server/multibyte/",
        "receive_server_multibyte",
        "Receiving multi-byte texts, server",
    ),
    (
        "receive/client/binary/",
        "receive_client_binary",
        "Receiving binary messages, client",
    ),
    ("send/server/", "send_server", "Sending, server"),
    ("send/client/", "send_client", "Sending, client"),
];

/// Ours as it is used first. The other ways are in the tables.
const OURS: [&str; 2] = ["ours", "ours lent"];

/// Draws those plots for which there is more than one size: the time over the size, and for receiving
/// also that time divided by the floor's, where the differences between long messages can be seen.
pub fn plots(folder: &Path, rows: &[&Row]) -> Outcome {
    std::fs::create_dir_all(folder)?;
    for (prefix, file, title) in PLOTS {
        let mut times: Vec<Series> = Vec::new();
        for row in rows {
            if row.side == Side::Ours && !OURS.contains(&row.contestant) {
                continue;
            }
            let size = row.workload.strip_prefix(prefix);
            let point = size.and_then(|it| Some((it.parse().ok()?, row.ns.median)));
            // One colour for a contestant in all plots.
            let name = match row.side {
                Side::Floor => named(row),
                Side::Ours | Side::Peer => row.contestant.to_owned(),
            };
            match times.iter_mut().find(|it| it.name == name) {
                Some(series) => series.points.extend(point),
                None => times.push(Series {
                    name,
                    points: point.into_iter().collect(),
                    emphasis: row.side == Side::Ours,
                }),
            }
        }
        if times.iter().all(|it| it.points.len() < 2) {
            continue;
        }
        let y = Axis::new("CPU time a message", plot::time);
        draw(folder, file, title, y, &times)?;
        if prefix.starts_with("receive") {
            let y = Axis::new("CPU time of the floor = 1", plot::count);
            let title = format!("{title}: beside plain code for the same work");
            draw(
                folder,
                &format!("{file}_to_floor"),
                &title,
                y,
                &to_floor(&times),
            )?;
        }
    }
    Ok(())
}

fn draw(folder: &Path, file: &str, title: &str, y: Axis, series: &[Series]) -> Outcome {
    // The numbers of the two would overlap others.
    let ticks = SIZES.iter().filter(|it| ![32, 63].contains(*it));
    let x = Axis::new("size of a message", plot::bytes).with_ticks(ticks.map(|it| *it as f64));
    plot::lines(
        &folder.join(file).with_extension("svg"),
        title,
        &x,
        &y,
        series,
    )
}

/// The same points, divided by those of the floor.
fn to_floor(times: &[Series]) -> Vec<Series> {
    let floor = times.iter().find(|it| it.name == "floor");
    let floor = floor.map(|it| it.points.clone()).unwrap_or_default();
    let divided = |(size, time): &(f64, f64)| {
        let (_, least) = floor.iter().find(|it| it.0 == *size)?;
        Some((*size, time / least))
    };
    let divided = |series: &Series| Series {
        points: series.points.iter().filter_map(divided).collect(),
        ..series.clone()
    };
    times.iter().map(divided).collect()
}
