//! An inspector: shows the frames of a captured byte stream, or of connections that it forwards.
use std::{env, fs::File, io, process::ExitCode};

use capture::capture;
use examples::Failure;
use live::serve;

mod capture;
mod frames;
mod line;
mod live;
#[cfg(test)]
mod tests;

const USAGE: &str = "\
usage: inspect FILE              shows one direction of a stream: raw bytes, or hex digits; - is
                                 standard input; lines begin with the position in the stream
       inspect LISTEN UPSTREAM   forwards connections unchanged, for example:
                                 inspect 127.0.0.1:9000 ws://127.0.0.1:9001
                                 # connection, seconds, > from the client, < from the server

A line has: FIN and reserved bits, type, masking key, length and the form of the length, the start of
the payload.";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match &args[..] {
        ["-h" | "--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["-"] => capture(io::stdin()).map_err(Failure::from),
        [file] => {
            let shown = File::open(file).and_then(capture);
            shown.map_err(|error| format!("{file}: {error}").into())
        }
        [listen, upstream] => serve(listen, upstream).await,
        _ => Err("FILE, or LISTEN and UPSTREAM are needed; try --help".into()),
    };
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("inspect: {error}");
    ExitCode::FAILURE
}
