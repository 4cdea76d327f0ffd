use std::fs;
use std::path::Path;

use live::broker::EngineUrl;

use super::{Server, until};

/// A NATS with JetStream, at a port that the system has chosen.
pub async fn start() -> Option<Server> {
    let mut server = Server::start(
        "nats-server",
        |_| EngineUrl::Nats(String::new()),
        |dir| args(dir, "-1"),
    )?;
    let mut url = None;
    let ports = server.dir.path().to_owned();
    until("the port", || {
        url = read_url(&ports);
        url.is_some()
    })
    .await;
    let url = url.unwrap();
    let port = url.rsplit(':').next().unwrap().to_owned();
    // It comes back at this port.
    server.args = args(server.dir.path(), &port);
    server.url = EngineUrl::Nats(url);
    Some(server)
}

fn args(dir: &Path, port: &str) -> Vec<String> {
    let (ports, data) = (dir.to_str().unwrap(), dir.join("data"));
    let data = data.to_str().unwrap();
    let args = [
        "-a",
        "127.0.0.1",
        "-p",
        port,
        "--ports_file_dir",
        ports,
        "-js",
        "-sd",
        data,
    ];
    args.map(String::from).to_vec()
}

/// The server writes its addresses as JSON into a file.
fn read_url(dir: &Path) -> Option<String> {
    let files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|ext| ext == "ports"));
    let json: serde_json::Value = serde_json::from_slice(&fs::read(files.next()?).ok()?).ok()?;
    json["nats"][0].as_str().map(String::from)
}
