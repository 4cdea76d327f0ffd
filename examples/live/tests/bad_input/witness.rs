//! Two others in the room, who must notice nothing.
use std::time::Duration;

use live::chat::protocol::Output;
use live::server::Server;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cases::ROOM;
use crate::client::{Client, Message};

/// Between two messages, so that the talk leaves time for others.
const PAUSE: Duration = Duration::from_millis(3);

/// Two clients that talk to each other until [`Witness::end`].
pub struct Witness {
    stop: oneshot::Sender<()>,
    talk: JoinHandle<u64>,
}

impl Witness {
    pub async fn new(server: &Server) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let mut ann = Client::new(server, "Ann").await;
        let mut bob = Client::new(server, "Bob").await;
        ann.join(ROOM).await;
        bob.join(ROOM).await;
        let talk = tokio::spawn(async move {
            let mut said = 0;
            while stopped.try_recv().is_err() {
                said += 1;
                let text = format!("text {said}");
                let (position, duplicate) = ann.say(ROOM, &format!("c{said}"), &text).await;
                assert_eq!((position.offset, duplicate), (said, false));
                // Nothing else comes but who is here.
                let message = bob.find(|output| match output {
                    Output::Presence { .. } => None,
                    output => Some(Message::of(output).expect("a message of Ann")),
                });
                let message = message.await;
                assert_eq!(message.since(), position);
                assert_eq!((message.from, message.text), ("Ann".into(), text));
                sleep(PAUSE).await;
            }
            said
        });
        Self { stop, talk }
    }

    /// Panics if the two have noticed something.
    pub async fn end(self) {
        let _ = self.stop.send(());
        assert!(self.talk.await.unwrap() > 0);
    }
}
