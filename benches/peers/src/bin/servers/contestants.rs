//! The servers, in the order of the tables: what each is, and how it starts.
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A row of the tables.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// How it reads and writes.
    pub(crate) form: &'static str,
    pub(crate) program: Program,
    /// More connections are not measured.
    pub(crate) most: usize,
}

/// Where a server comes from.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Program {
    /// A part of this program: see `serve`.
    Own(&'static str),
    /// A program of `examples/`, with its options.
    Example(&'static str, &'static [&'static str]),
    /// A script in `servers/`, run by what npm has installed, or by Node.js.
    Bun,
    Node {
        bufferutil: bool,
    },
    Python,
    Go,
}

use Program::{Bun, Example, Go, Node, Own, Python};

const ANY: usize = usize::MAX;
const NO_DEFLATE: &[&str] = &["--no-deflate"];
const THREADS: &str = "own buffers, a thread per connection, a write per read";

/// The limit, which every other row is compared with.
pub(crate) const LIMIT: &str = "raw TCP";

#[rustfmt::skip]
pub(crate) const CONTESTANTS: &[Contestant] = &[
    row(LIMIT, "epoll, one shared buffer, no WebSocket: the same bytes go back", Own("raw"), ANY),
    row("ours, bare", "the loop of raw TCP, shared buffers, a write per read", Own("bare"), ANY),
    row("ours, epoll_echo", "shared buffers, a write per turn", Example("epoll_echo", &[]), ANY),
    row("ours, epoll_echo --no-deflate", "the same", Example("epoll_echo", NO_DEFLATE), ANY),
    row("ours, echo_tokio", "own buffers, a write per read", Example("echo_tokio", &[]), ANY),
    row("ours, echo_tokio --no-deflate", "the same", Example("echo_tokio", NO_DEFLATE), ANY),
    row("ours, tokio adapter", "own buffers, a write per read", Own("tokio_adapter"), ANY),
    row("ours, echo_blocking", THREADS, Example("echo_blocking", &[]), 1000),
    row("ours, echo_blocking --no-deflate", THREADS, Example("echo_blocking", NO_DEFLATE), 1000),
    row("Bun", "Bun.serve, which writes once per read", Bun, ANY),
    row("ws", "Node.js, a write per message", Node { bufferutil: false }, ANY),
    row("ws with bufferutil", "the same", Node { bufferutil: true }, ANY),
    row("tokio-tungstenite", "forward, which writes once per read", Own("tokio-tungstenite"), ANY),
    row("fastwebsockets", "over hyper, a write per message", Own("fastwebsockets"), ANY),
    row("axum", "forward, which writes once per read", Own("axum"), ANY),
    row("python websockets", "asyncio on uvloop, a write per message", Python, ANY),
    row("Go gorilla", "net/http, a write per message", Go, ANY),
];

const fn row(name: &'static str, form: &'static str, program: Program, most: usize) -> Contestant {
    Contestant {
        name,
        form,
        program,
        most,
    }
}

impl Contestant {
    pub(crate) fn is_raw(&self) -> bool {
        self.name == LIMIT
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.name.starts_with("ours")
    }

    /// The file for what it writes to standard error.
    pub(crate) fn log(&self, places: &Places) -> PathBuf {
        places.logs().join(self.name.replace([' ', ','], "_"))
    }

    /// The command that starts it, or what is missing.
    pub(crate) fn command(&self, places: &Places) -> Result<Command, String> {
        let mut command = match self.program {
            Own(name) => {
                let mut command = Command::new(env::current_exe().map_err(|it| it.to_string())?);
                command.args(["serve", name]);
                command
            }
            Example(name, options) => {
                let mut command = Command::new(places.example(name));
                command.args(options).arg("127.0.0.1:0");
                command
            }
            Bun => {
                let mut command = Command::new(places.npm().join("node_modules/.bin/bun"));
                command.arg(places.npm().join("bun.js"));
                command
            }
            Node { bufferutil } => {
                let mut command = Command::new("node");
                command.arg(places.npm().join("ws.js"));
                if !bufferutil {
                    command.env("WS_NO_BUFFER_UTIL", "1");
                }
                command
            }
            Python => {
                let mut command = Command::new(places.venv().join("bin/python"));
                command.arg(PACKAGE.to_owned() + "/servers/websockets_echo.py");
                command
            }
            Go => Command::new(places.go().join("gorilla")),
        };
        command.env_remove("NODE_OPTIONS");
        let mut files = [command.get_program()]
            .into_iter()
            .chain(command.get_args());
        if files.any(|it| Path::new(it).is_absolute() && !Path::new(it).exists()) {
            return Err("it is not installed; --install installs it".into());
        }
        drop(files);
        Ok(command)
    }
}

/// The folder of this package.
pub(crate) const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Where things are installed: a folder in the target directory.
pub(crate) struct Places(PathBuf);

impl Places {
    pub(crate) fn new() -> Result<Self, String> {
        let exe = env::current_exe().map_err(|error| error.to_string())?;
        let target = exe
            .ancestors()
            .nth(2)
            .ok_or("the program lies in no target directory")?;
        let places = Self(target.join("servers"));
        std::fs::create_dir_all(places.logs()).map_err(|error| error.to_string())?;
        Ok(places)
    }

    /// The target directory of `examples/`.
    pub(crate) fn examples(&self) -> PathBuf {
        self.0.join("examples")
    }

    fn example(&self, name: &str) -> PathBuf {
        self.examples().join("release").join(name)
    }

    pub(crate) fn npm(&self) -> PathBuf {
        self.0.join("npm")
    }

    pub(crate) fn venv(&self) -> PathBuf {
        self.0.join("venv")
    }

    pub(crate) fn go(&self) -> PathBuf {
        self.0.join("go")
    }

    fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}
