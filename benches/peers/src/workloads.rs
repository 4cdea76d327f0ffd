//! The list of all workloads.

use crate::{
    generate::Content,
    tasks::{
        Accept, Broadcast, Compress, Connect, Receive, Role, Send, Task,
        compress::Corpus,
        receive::{BUFFER, Cuts},
    },
    wire::MOST,
};

/// A workload: what every contestant gets.
pub struct Workload {
    /// Parts with `/` between them: `receive/server/binary/16`.
    pub name: String,
    /// Variants of the same work: for each contestant the fastest counts.
    pub tasks: Vec<(&'static str, Task)>,
}

/// Sizes of messages in bytes.
pub const SIZES: [usize; 9] = [16, 32, 63, 125, 512, 4 << 10, 16 << 10, 64 << 10, 1 << 20];

/// About so many bytes are in a cycle of short messages: they stay in the second cache.
pub const ABOUT: usize = 192 << 10;

/// All workloads, with cycles of about so many bytes: [`ABOUT`] to measure, less for tests.
pub fn all(about: usize) -> Vec<Workload> {
    let mut all = Vec::new();
    for role in Role::BOTH {
        for content in Content::ALL {
            for size in SIZES {
                let task = Receive::equal(about, role, content, size, Cuts::None);
                all.push(receive(format!("{}/{size}", content.name()), &task));
            }
        }
        all.push(receive(
            "mixed".into(),
            &Receive::mixed(about, role, Cuts::None),
        ));
    }
    let cases = [
        ("byte-by-byte", Cuts::Every(1), Content::Binary, &[125][..]),
        ("byte-by-byte", Cuts::Every(1), Content::MultiByte, &[125]),
        (
            "reads-of-1460",
            Cuts::Every(1460),
            Content::Binary,
            &[512, 4096, 65_536],
        ),
        (
            "reads-of-1460",
            Cuts::Every(1460),
            Content::MultiByte,
            &[512, 4096, 65_536],
        ),
        (
            "frames-cut",
            Cuts::EachFrame,
            Content::Binary,
            &[16, 512, 4096],
        ),
        (
            "frames-cut",
            Cuts::EachFrame,
            Content::MultiByte,
            &[16, 512, 4096],
        ),
    ];
    for (name, cuts, content, sizes) in cases {
        for &size in sizes {
            let task = Receive::equal(about, Role::Server, content, size, cuts);
            all.push(one(
                format!("{name}/server/{}/{size}", content.name()),
                Task::Receive(task),
            ));
        }
    }
    for (name, cuts) in [
        ("reads-of-1460", Cuts::Every(1460)),
        ("frames-cut", Cuts::EachFrame),
    ] {
        let task = Receive::mixed(about, Role::Server, cuts);
        all.push(one(format!("{name}/server/mixed"), Task::Receive(task)));
    }
    for role in Role::BOTH {
        for size in SIZES {
            let task = Send::new(role, size, 1);
            all.push(one(
                format!("send/{}/{size}", role.name()),
                Task::Send(task),
            ));
        }
        for size in [16, 125, 512] {
            let task = Send::new(role, size, 16);
            all.push(one(
                format!("send-16-a-flush/{}/{size}", role.name()),
                Task::Send(task),
            ));
        }
    }
    all.push(one(
        "opening/server".into(),
        Task::Accept(Accept::default()),
    ));
    all.push(one("opening/client".into(), Task::Connect(Connect)));
    for (name, takeover) in [("takeover", true), ("no-takeover", false)] {
        for corpus in Corpus::ALL {
            let size = corpus.name();
            let task = Receive::compressed(about, corpus, takeover);
            all.push(one(format!("inflate/{name}/{size}"), Task::Inflate(task)));
            let task = Compress::new(about, corpus, takeover);
            all.push(one(format!("deflate/{name}/{size}"), Task::Compress(task)));
        }
    }
    let task = Task::Broadcast(Broadcast::default());
    all.push(one("broadcast/1000/512".into(), task));
    all
}

/// Receiving, with reads of both sizes.
fn receive(rest: String, task: &Receive) -> Workload {
    let with = |buffer| Task::Receive(task.with_buffer(buffer));
    Workload {
        name: format!("receive/{}/{rest}", task.role.name()),
        tasks: vec![("16 KiB reads", with(BUFFER)), ("64 KiB reads", with(MOST))],
    }
}

fn one(name: String, task: Task) -> Workload {
    Workload {
        name,
        tasks: vec![("", task)],
    }
}
