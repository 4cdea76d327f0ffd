//! Tables, CSV and plots.

use std::{error::Error, path::Path};

use crate::{
    contestants::Side,
    plot::{self, Axis, Series},
    run::Row,
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
    peer: Option<&'a Row>,
    floors: Vec<&'a Row>,
}

impl<'a> Marks<'a> {
    fn of(workload: &[&'a Row]) -> Self {
        let peers = workload.iter().filter(|it| it.side == Side::Peer);
        let best = |a: &&&Row, b: &&&Row| a.ns.median.total_cmp(&b.ns.median);
        Self {
            peer: peers.min_by(best).copied(),
            floors: (workload.iter().copied())
                .filter(|it| it.side == Side::Floor)
                .collect(),
        }
    }

    fn to_peer(&self, row: &Row) -> Option<f64> {
        Some(row.ns.median / self.peer?.ns.median)
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

/// One table for each workload.
pub fn tables(rows: &[&Row]) -> String {
    let mut text = String::new();
    for mut workload in by_workload(rows) {
        let marks = Marks::of(&workload);
        workload.sort_by(|a, b| a.ns.median.total_cmp(&b.ns.median));
        text += &format!(
            "\n{:<34} {:>9} {:>8} {:>8} {:>7}\n",
            workload[0].workload, "median ns", "x best", "x floor", "spread"
        );
        for row in workload {
            text += &format!(
                "  {:<32} {:>9} {:>8} {:>8} {:>6.1}%  {}\n",
                named(row),
                ns(row.ns.median),
                ratio(marks.to_peer(row)),
                ratio(marks.to_floor(row)),
                100.0 * row.ns.spread(),
                row.variant,
            );
        }
    }
    text + "\n\"x best\" is against the fastest library besides ours, \"x floor\" against the work \
        that nobody can avoid.\n\"spread\" is the distance of the quartiles.\n"
}

fn named(row: &Row) -> String {
    match row.group {
        Group::Copy => row.contestant.to_owned(),
        Group::Gather => format!("{} (gather)", row.contestant),
    }
}

/// One line for each workload: ours beside the best.
pub fn summary(rows: &[&Row]) -> String {
    let mut text = format!(
        "\n{:<34} {:>9} {:>9} {:>9} {:>7} {:>7}  {:<28} {}\n",
        "ours beside the best",
        "ours",
        "floor",
        "best",
        "x best",
        "x floor",
        "best library",
        "our other ways (x best)"
    );
    for workload in by_workload(rows) {
        let marks = Marks::of(&workload);
        let mut ours = workload.iter().filter(|it| it.side == Side::Ours);
        let Some(first) = ours.next() else { continue };
        let floor = marks.floors.iter().find(|it| it.group == first.group);
        let others: Vec<String> = ours
            .map(|it| {
                format!(
                    "{} {}",
                    it.contestant
                        .trim_start_matches("ours")
                        .trim_start_matches([',', ' ']),
                    ratio(marks.to_peer(it))
                )
            })
            .collect();
        text += &format!(
            "{:<34} {:>9} {:>9} {:>9} {:>7} {:>7}  {:<28} {}\n",
            first.workload,
            ns(first.ns.median),
            floor.map_or("-".into(), |it| ns(it.ns.median)),
            marks.peer.map_or("-".into(), |it| ns(it.ns.median)),
            ratio(marks.to_peer(first)),
            ratio(marks.to_floor(first)),
            marks.peer.map_or("-".into(), named),
            others.join(", "),
        );
    }
    text
}

/// One line for each workload and contestant.
pub fn csv(path: &Path, rows: &[&Row]) -> Outcome {
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
                ratio(marks.to_peer(row)),
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
        "receive/server/binary",
        "receive_server_binary",
        "Receiving binary messages, server",
    ),
    (
        "receive/server/ascii",
        "receive_server_ascii",
        "Receiving ASCII texts, server",
    ),
    (
        "receive/server/multibyte",
        "receive_server_multibyte",
        "Receiving multi-byte texts, server",
    ),
    (
        "receive/client/binary",
        "receive_client_binary",
        "Receiving binary messages, client",
    ),
    ("send/server", "send_server", "Sending, server"),
    ("send/client", "send_client", "Sending, client"),
];

/// Draws those plots for which there is more than one size.
pub fn plots(folder: &Path, rows: &[&Row]) -> Outcome {
    std::fs::create_dir_all(folder)?;
    for (prefix, file, title) in PLOTS {
        let mut series: Vec<Series> = Vec::new();
        for row in rows {
            let Some(size) = row.workload.strip_prefix(prefix) else {
                continue;
            };
            let Ok(size) = size.trim_start_matches('/').parse::<f64>() else {
                continue;
            };
            // Ours as it is used first; the other ways are in the tables.
            let name = named(row);
            if row.side == Side::Ours && !["ours", "ours lent (gather)"].contains(&&*name) {
                continue;
            }
            let point = (size, row.ns.median);
            match series.iter_mut().find(|it| it.name == name) {
                Some(series) => series.points.push(point),
                None => series.push(Series {
                    name,
                    points: vec![point],
                    emphasis: row.side == Side::Ours,
                }),
            }
        }
        if series.iter().any(|it| it.points.len() > 1) {
            let path = folder.join(file).with_extension("svg");
            let ticks = SIZES
                .map(|it| it as f64)
                .into_iter()
                .filter(|it| ![32.0, 63.0].contains(it));
            let x = Axis::new("size of a message", plot::bytes).with_ticks(ticks);
            let y = Axis::new("CPU time a message", plot::time);
            plot::lines(&path, title, &x, &y, &series)?;
        }
    }
    Ok(())
}
