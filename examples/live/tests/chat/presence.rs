//! Who is here, and who types.
use live::chat::protocol::{Input, Output};

use crate::client::{Client, start, two_nodes};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

async fn typing(client: &mut Client) -> (String, bool) {
    client
        .find(|output| match output {
            Output::Typing { user, on, .. } => Some((user.into(), on)),
            _ => None,
        })
        .await
}

fn types(on: bool) -> Input {
    let room = "lobby".into();
    Input::Typing { room, on }
}

#[tokio::test]
async fn who_joins_and_leaves_is_told_once() {
    let server = start(&[]).await;
    let mut ann = Client::new(&server, "Ann").await;
    ann.join("lobby").await;
    assert_eq!(ann.presence().await, (names(&["Ann"]), vec![], 1));
    let mut bob = Client::new(&server, "Bob").await;
    let joined = bob.join("lobby").await;
    assert_eq!((joined.members, joined.count), (names(&["Ann", "Bob"]), 2));
    assert_eq!(ann.presence().await, (names(&["Bob"]), vec![], 2));
    assert_eq!(bob.presence().await, (names(&["Bob"]), vec![], 2));

    // Bob on a second device: nothing to tell.
    let mut again = Client::new(&server, "Bob").await;
    assert_eq!(again.join("lobby").await.count, 2);
    bob.close().await;
    let mut eve = Client::new(&server, "Eve").await;
    eve.join("lobby").await;
    assert_eq!(ann.presence().await, (names(&["Eve"]), vec![], 3));
    again.close().await;
    assert_eq!(ann.presence().await, (vec![], names(&["Bob"]), 2));
    eve.send(&Input::Leave {
        room: "lobby".into(),
    })
    .await;
    assert_eq!(ann.presence().await, (vec![], names(&["Eve"]), 1));
}

#[tokio::test]
async fn nodes_tell_each_other_who_is_here() {
    let [one, two] = two_nodes().await;
    let mut ann = Client::new(&one, "Ann").await;
    ann.join("lobby").await;
    ann.until_count(1).await;
    let mut bob = Client::new(&two, "Bob").await;
    bob.join("lobby").await;
    assert_eq!(ann.presence().await, (names(&["Bob"]), vec![], 2));
    bob.until_count(2).await;
    // Who is on both nodes joins once, and leaves at the last.
    let mut eve = [
        Client::new(&one, "Eve").await,
        Client::new(&two, "Eve").await,
    ];
    for client in &mut eve {
        client.join("lobby").await;
    }
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.presence().await, (names(&["Eve"]), vec![], 3));
    }
    let [first, second] = eve;
    first.close().await;
    let mut dan = Client::new(&one, "Dan").await;
    assert_eq!(
        dan.join("lobby").await.members,
        names(&["Ann", "Bob", "Eve", "Dan"])
    );
    assert_eq!(bob.presence().await, (names(&["Dan"]), vec![], 4));
    second.close().await;
    assert_eq!(ann.presence().await, (names(&["Dan"]), vec![], 4));
    assert_eq!(ann.presence().await, (vec![], names(&["Eve"]), 3));
    // The last of a node.
    bob.close().await;
    assert_eq!(ann.presence().await, (vec![], names(&["Bob"]), 2));
}

#[tokio::test]
async fn typing_is_told_to_the_others_on_all_nodes() {
    let [one, two] = two_nodes().await;
    let mut ann = Client::new(&one, "Ann").await;
    let mut again = Client::new(&two, "Ann").await;
    let mut bob = Client::new(&two, "Bob").await;
    for client in [&mut ann, &mut again, &mut bob] {
        client.join("lobby").await;
    }
    ann.send(&types(true)).await;
    assert_eq!(typing(&mut bob).await, ("Ann".into(), true));
    ann.send(&types(false)).await;
    assert_eq!(typing(&mut bob).await, ("Ann".into(), false));
    // Not to her, on no connection: the next that she hears of is Bob.
    bob.send(&types(true)).await;
    assert_eq!(typing(&mut ann).await, ("Bob".into(), true));
    assert_eq!(typing(&mut again).await, ("Bob".into(), true));
}
