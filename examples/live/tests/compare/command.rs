//! `live compare` as a process of its own.
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::server;

/// Returns the exit status, the output and the errors.
async fn compare(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_live"));
    command
        .arg("compare")
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(Duration::from_secs(60), command.output()).await;
    let output = output.expect("in time").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The rows of the CSV, as transport, bytes sent, bytes received, requests and notifications.
fn rows(csv: &str) -> Vec<(String, [u64; 4])> {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let place = |name| names.iter().position(|other| *other == name).unwrap();
    let columns = ["bytes_sent", "bytes_received", "requests", "notifications"].map(place);
    lines
        .map(|cells| {
            (
                cells[0].to_owned(),
                columns.map(|column| cells[column].parse().unwrap()),
            )
        })
        .collect()
}

#[tokio::test]
async fn the_table_and_the_csv_have_a_row_for_each_transport() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.csv");
    let args = [
        "--seconds",
        "2",
        "--rate",
        "10",
        "--interval",
        "0.5",
        "--csv",
    ];
    let (status, table, errors) = compare(&[&args[..], &[file.to_str().unwrap()]].concat()).await;
    assert_eq!((status, &*errors), (Some(0), "")); // no progress bar without a terminal
    for name in [
        "short polling",
        "long polling",
        "server-sent events",
        "WebSocket",
    ] {
        assert!(table.contains(name), "{table}");
    }
    let rows = rows(&std::fs::read_to_string(file).unwrap());
    let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["poll", "long", "events", "ws"]);
    let [short, long, events, ws] = [0, 1, 2, 3].map(|row: usize| rows[row].1);
    let [.., notifications] = ws;
    assert!((15..=25).contains(&notifications), "{notifications}");
    for [.., others] in [short, long, events] {
        assert_eq!(others, notifications);
    }
    assert_eq!((events[2], ws[2]), (1, 1));
    assert!(
        long[2] > notifications && long[0] > 10 * events[0],
        "{long:?} {events:?}"
    );
    assert!(
        ws[1] < events[1] && events[1] < long[1],
        "{ws:?} {events:?} {long:?}"
    );
}

#[tokio::test]
async fn a_server_that_runs_already_is_measured() {
    let server = server().await;
    let url = format!("http://{}/", server.addr());
    let (status, table, _) = compare(&["--seconds", "1", "--rate", "0", "--url", &url]).await;
    assert_eq!(status, Some(0));
    assert!(table.contains("WebSocket"), "{table}");
    assert!(server.app().metrics.bytes_in.get() > 1000);
}

#[tokio::test]
async fn what_cannot_be_measured_has_a_reason() {
    let (status, _, errors) = compare(&["--rate", "1000"]).await;
    assert_eq!(status, Some(2));
    assert!(errors.contains("neither 0 nor from 0.1 to 100"), "{errors}");
    let (status, _, errors) = compare(&["--url", "https://localhost"]).await;
    assert_eq!(status, Some(2));
    assert!(errors.contains("http://"), "{errors}");
}
