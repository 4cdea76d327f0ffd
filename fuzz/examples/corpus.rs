//! Unpacks the inputs of the fuzz targets for the fuzzer, and packs what it has found.
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --example corpus -- unpack TARGET FOLDER
//! cargo run --manifest-path fuzz/Cargo.toml --example corpus -- pack TARGET FOLDER
//! ```

use std::{env, path::Path, process::ExitCode};

use websocket_proto_fuzz::corpus::{pack, unpack};

/// The most bytes of a corpus. All of them together have at most 2 MB.
const MOST: usize = 200_000;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", target, folder] => unpack(target, Path::new(folder)),
        ["pack", target, folder] => {
            pack(target, Path::new(folder), MOST).map(|count| println!("{target}: {count} inputs"))
        }
        _ => {
            eprintln!("usage: corpus unpack|pack TARGET FOLDER");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}
