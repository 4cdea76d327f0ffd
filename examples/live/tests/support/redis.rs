use live::broker::EngineUrl;

use super::Server;

/// A Redis that loses nothing that it has accepted, on a Unix socket.
pub async fn start() -> Option<Server> {
    Server::start(
        "redis-server",
        |dir| EngineUrl::Redis(format!("redis+unix://{}/redis.sock", dir.display())),
        |dir| {
            let socket = dir.join("redis.sock");
            let data = dir.join("data");
            let pairs = [
                ("--port", "0"),
                ("--unixsocket", socket.to_str().unwrap()),
                ("--dir", data.to_str().unwrap()),
                ("--appendonly", "yes"),
                ("--appendfsync", "always"),
                ("--save", ""),
            ];
            let pairs = pairs.iter().flat_map(|(name, value)| [*name, *value]);
            pairs.map(String::from).collect()
        },
    )
}
