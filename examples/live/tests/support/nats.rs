use super::Server;

pub async fn start() -> Option<Server> {
    None
}
