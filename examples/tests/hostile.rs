//! The example servers and clients withstand `hostile`, and `hostile` notices a server and a client
//! that do not.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

use websocket_proto::frame::RawHeader;

const HOSTILE: &str = env!("CARGO_BIN_EXE_hostile");

fn hostile(args: &[&str]) -> Output {
    let output = Command::new(HOSTILE).args(args).output();
    output.expect("the program was built")
}

/// All attacks in small numbers: larger ones are for a release build. Nothing waits so long: it is
/// for machines with much else to do.
fn passes(args: &[&str]) {
    let few = [
        "--count", "4000", "--memory", "64", "--wait", "10", "--strict",
    ];
    let output = hostile(&[args, &few].concat());
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}\n{stdout}{stderr}");
    let passed = stdout.matches(" PASS ").count();
    assert!(passed > 190, "{args:?} played only {passed} attacks");
}

fn server_passes(program: &str) {
    let start = format!("{program} 127.0.0.1:0");
    passes(&["server", "--start", &start]);
}

#[test]
fn echo_blocking_passes() {
    server_passes(env!("CARGO_BIN_EXE_echo_blocking"));
}

#[test]
fn echo_tokio_passes() {
    server_passes(env!("CARGO_BIN_EXE_echo_tokio"));
}

#[cfg(target_os = "linux")]
#[test]
fn epoll_echo_passes() {
    server_passes(env!("CARGO_BIN_EXE_epoll_echo"));
}

#[test]
fn client_passes() {
    let run = concat!(env!("CARGO_BIN_EXE_client"), " {url}");
    passes(&["client", "--run", run]);
}

#[test]
fn reconnect_does_not_open_a_wrong_connection() {
    let run = concat!(env!("CARGO_BIN_EXE_reconnect"), " {url}");
    let args = [
        "client",
        "--only",
        "response/",
        "--wait",
        "10",
        "--strict",
        "--run",
        run,
    ];
    let output = hostile(&args);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
}

/// The names of the attacks that failed.
fn failed(stdout: &str) -> Vec<&str> {
    let lines = stdout.lines();
    lines
        .filter_map(|line| line.trim().strip_prefix("FAIL "))
        .collect()
}

/// A server that checks nothing: it echoes the payload of every frame as a text.
#[test]
fn a_careless_server_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || careless(stream.expect("a connection")));
        }
    });
    let only = "unmasked,opcode-3,opcode-b,rsv2,utf8-ff,continuation-alone,head/no-key,head/version-8,\
                text-of-125";
    let output = hostile(&["server", &url, "--only", only]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    let all = [
        "head/no-key",
        "head/version-8",
        "frame/unmasked",
        "frame/opcode-3",
        "frame/opcode-b",
        "frame/rsv2",
        "frame/rsv2-ping",
        "frame/continuation-alone",
        "frame/utf8-ff",
    ];
    assert_eq!(failed(&stdout), all, "{stdout}");
}

fn careless(mut stream: TcpStream) {
    let mut input = Vec::new();
    let head = loop {
        if let Some(at) = input.windows(4).position(|it| it == b"\r\n\r\n") {
            break input.drain(..at + 4).collect::<Vec<u8>>();
        }
        if !more(&mut stream, &mut input) {
            return;
        }
    };
    let key = String::from_utf8_lossy(&head);
    let key = key
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let response = response(key.unwrap_or("dGhlIHNhbXBsZSBub25jZQ=="));
    stream.write_all(&response).expect("it is read");
    loop {
        while let Some((header, len)) = RawHeader::decode(&input) {
            let end = len + header.len as usize;
            if input.len() < end {
                break;
            }
            let mut payload = input.drain(..end).skip(len).collect::<Vec<u8>>();
            for (at, byte) in payload.iter_mut().enumerate() {
                *byte ^= header.mask.unwrap_or_default()[at % 4];
            }
            let opcode = if header.opcode == 8 { 8 } else { 1 };
            if opcode == 1 {
                payload = String::from_utf8_lossy(&payload).into_owned().into_bytes();
            }
            let header = RawHeader::new(opcode, payload.len() as u64).encode();
            let echo = [header.as_bytes(), &payload].concat();
            if stream.write_all(&echo).is_err() {
                return;
            }
        }
        if !more(&mut stream, &mut input) {
            return;
        }
    }
}

fn more(stream: &mut TcpStream, input: &mut Vec<u8>) -> bool {
    let mut buf = [0; 4096];
    let n = stream.read(&mut buf).unwrap_or(0);
    input.extend(&buf[..n]);
    n > 0
}

/// The right response to a key, by the crate.
fn response(key: &str) -> Vec<u8> {
    use bytes::BytesMut;
    use websocket_proto::handshake::server::{Accept, Handshake, Origins};
    use websocket_proto::{Config, RecvBuf};
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.spare(request.len())[..request.len()].copy_from_slice(request.as_bytes());
    input.filled(request.len());
    let mut handshake = Handshake::new(Config::new(), Origins::Any);
    let next = handshake
        .next(&mut input, &mut out)
        .expect("a right request");
    let (_, pending) = next.expect("a whole request");
    pending
        .accept(Accept::new(), &mut out)
        .expect("nothing to refuse");
    out.to_vec()
}

/// A client that answers every response with a pong, as if it had accepted it.
#[test]
fn a_careless_client_fails() {
    let only = "other-accept,status-200,response/subprotocol,opcode-3";
    let mut hostile = Command::new(HOSTILE)
        .args(["client", "--only", only])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let mut stdout = BufReader::new(hostile.stdout.take().expect("it is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    let words = line.split_whitespace();
    let addr = words
        .filter_map(|it| it.strip_prefix("ws://"))
        .next()
        .expect("an address");
    let addr = addr.trim_end_matches(':').to_string();
    thread::spawn(move || {
        while let Ok(stream) = TcpStream::connect(&addr) {
            careless_client(stream);
        }
    });
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    let status = hostile.wait().expect("it has ended");
    assert_eq!(status.code(), Some(1), "{rest}");
    let all = [
        "response/other-accept",
        "response/other-accept-and-frame",
        "response/status-200",
        "response/subprotocol",
        "frame/opcode-3",
    ];
    assert_eq!(failed(&rest), all, "{rest}");
}

fn careless_client(mut stream: TcpStream) {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    if stream.write_all(request.as_bytes()).is_err() {
        return;
    }
    let mut input = Vec::new();
    while more(&mut stream, &mut input) {
        // A ping from a server is not masked; its payload is what it wants to hear.
        let Some(at) = input.windows(2).position(|it| it == [0x89, 17]) else {
            continue;
        };
        if let Some(payload) = input.get(at + 2..at + 19) {
            let pong = [&[0x8a, 0x80 | 17, 0, 0, 0, 0], payload].concat();
            let _ = stream.write_all(&pong);
            input.clear();
        }
    }
}

#[test]
fn other_hosts_need_a_word() {
    let output = hostile(&["server", "ws://192.0.2.1:9001"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("not a loopback address"), "{stderr}");
    let output = hostile(&["client", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
}
