//! Heads of requests and responses: mostly valid, with unusual and wrong lines.

use super::Choices;

/// A field and its values. The usual one comes first; `None` leaves the field out.
type Field<'a> = (&'a str, Vec<Option<&'a str>>);

pub fn request(choices: &mut Choices<'_>) -> Vec<u8> {
    let targets = [
        "/chat",
        "/",
        "/a?b=c?d",
        "*",
        "",
        "/a#b",
        "/%41%4",
        "/a|b",
        "/a b",
        "http://h",
        "HTTPS://h:1/a",
        "ws://h/a",
        "wss://h?x",
        "ftp://h/",
        "http://u@h/",
        "http:///",
        "http://h:99999/",
        "h:80",
    ];
    let target = one(choices, &targets);
    let method = one(choices, &["GET", "POST", "HEAD", "get", "G(T"]);
    let version = one(
        choices,
        &[
            "HTTP/1.1",
            "HTTP/1.2",
            "HTTP/1.0",
            "HTTP/2.0",
            "http/1.1",
            "HTTP/1.10",
        ],
    );
    let hosts = [
        "h",
        "example.com",
        "H:80",
        "h:",
        "h:080",
        "h:65536",
        "h:443",
        "",
        "[::1]",
        "[::1]:80",
        "[v1.a]",
        "[:::]",
        "[::1",
        "a_b",
        "a%41",
        "a%",
        "a!b",
        "u@h",
        "h h",
        "h,h",
        "\u{e9}",
    ];
    let origins = [
        "http://h",
        "https://h",
        "HTTP://H:80",
        "http://h:443",
        "https://h:443",
        "null",
        "",
        "http://h/",
        "http://other",
        "ftp://h",
        "http://[::1]",
        "\u{e9}",
        "https://example.com",
        "http://h:080",
    ];
    // The two are compared, so that both are unusual now and then.
    let (host, origin) = match choices.one_in(8) {
        true => (
            vec![Some(choices.pick(&hosts))],
            vec![Some(choices.pick(&origins))],
        ),
        false => (usual(&hosts), unusual(&origins)),
    };
    let mut fields: Vec<Field<'_>> = vec![
        ("Host", host),
        (
            "Upgrade",
            usual(&[
                "websocket",
                "WebSocket",
                "h2c, websocket",
                "websocket/13",
                "",
                "a,,websocket",
            ]),
        ),
        (
            "Connection",
            usual(&[
                "Upgrade",
                "keep-alive, UPGRADE",
                "close",
                "Upgrade;",
                ",upgrade,",
            ]),
        ),
        (
            "Sec-WebSocket-Key",
            usual(&[
                "dGhlIHNhbXBsZSBub25jZQ==",
                "dGhlIHNhbXBsZSBub25jZR==",
                "dGhlIHNhbXBsZSBub25jZQ",
                "",
                "dGhlIHNhbXBsZSBub25jZQ=",
                "dGhlIHNhbXBsZSBub25jZUE=",
                "dGhlIHNhbXBsZSBub25j!Q==",
                "dGhlIHNhbXBsZSBub25j",
                "====",
            ]),
        ),
        (
            "Sec-WebSocket-Version",
            usual(&["13", "8", "13, 8", "013", "", "1 3"]),
        ),
        ("Origin", origin),
        (
            "Sec-WebSocket-Protocol",
            unusual(&[
                "chat",
                "chat, superchat",
                "",
                ",",
                "a b",
                "a,,b",
                "\"a\"",
                "\u{e9}",
            ]),
        ),
        ("Sec-WebSocket-Extensions", unusual(&EXTENSIONS)),
    ];
    fields.extend(other_fields());
    head(choices, format!("{method} {target} {version}"), &fields)
}

/// `accept` is the right value of `Sec-WebSocket-Accept`.
pub fn response(choices: &mut Choices<'_>, accept: &str) -> Vec<u8> {
    let starts = [
        "HTTP/1.1 101 Switching Protocols",
        "HTTP/1.1 101 ",
        "HTTP/1.1 101",
        "HTTP/1.0 101 x",
        "HTTP/2.0 101 x",
        "HTTP/1.1 200 OK",
        "HTTP/1.0 404",
        "HTTP/1.1 99 x",
        "HTTP/1.1 099 x",
        "HTTP/1.1 999 x",
        "HTTP/1.1 1010 x",
        "HTTP/1.1 +10 x",
        "HTTP/1.1 101 \u{e9}\t",
        "HTTP/1.1  101 x",
        "XTTP/1.1 101 x",
        "HTTP/1.9 101 x",
    ];
    let mut bytes = Vec::new();
    while choices.one_in(8) {
        let interim = choices.pick(&[
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
            "HTTP/1.1 100\r\n\r\n",
        ]);
        bytes.extend(interim.bytes());
    }
    let start = one(choices, &starts).to_owned();
    let [padded, longer, lower] = [
        format!("\t{accept} "),
        format!("{accept}="),
        accept.to_lowercase(),
    ];
    let mut fields: Vec<Field<'_>> = vec![
        (
            "Upgrade",
            usual(&[
                "websocket",
                "WebSocket",
                "websocket, websocket",
                "h2c, websocket",
                "",
                ",websocket,",
            ]),
        ),
        (
            "Connection",
            usual(&["Upgrade", "keep-alive, upgrade", "close", ""]),
        ),
        (
            "Sec-WebSocket-Accept",
            usual(&[accept, &padded, &longer, &lower, ""]),
        ),
        (
            "Sec-WebSocket-Protocol",
            unusual(&["chat", "superchat", "other", "", "chat, superchat", "CHAT"]),
        ),
        ("Sec-WebSocket-Extensions", unusual(&EXTENSIONS)),
    ];
    fields.extend(other_fields());
    bytes.extend(head(choices, start, &fields));
    bytes
}

const EXTENSIONS: [&str; 24] = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=8",
    "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=\"12\"",
    "permessage-deflate; client_max_window_bits=15",
    "permessage-deflate;server_max_window_bits = 1\\2",
    "permessage-deflate; server_max_window_bits=\"1\\2\"",
    "permessage-deflate; server_max_window_bits=7, permessage-deflate",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=09",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    "Permessage-Deflate",
    "x; y=\"a,b\", permessage-deflate",
    "x; y=\"a;b\"",
    "x; y=\"\"",
    "x; y=\"a\\\"\"",
    "x; y=\"a",
    "x;",
    "",
    ", ,",
];

fn other_fields<'a>() -> [Field<'a>; 3] {
    [
        (
            "Content-Length",
            unusual(&[
                "0",
                "00",
                "5",
                "0, 0",
                "0, 00, 1",
                "-1",
                "",
                "99999999999999999999",
            ]),
        ),
        (
            "Transfer-Encoding",
            unusual(&["chunked", "gzip, Chunked", "chunked, gzip", "", "identity"]),
        ),
        (
            "X-Other",
            unusual(&["x", "", "a\tb", "a\0b", "a\u{7f}", "\u{ff}"]),
        ),
    ]
}

fn usual<'a>(values: &[&'a str]) -> Vec<Option<&'a str>> {
    values.iter().copied().map(Some).chain([None]).collect()
}

fn unusual<'a>(values: &[&'a str]) -> Vec<Option<&'a str>> {
    let values = values.iter().copied().map(Some);
    [None].into_iter().chain(values).collect()
}

/// Mostly the first.
fn one<T: Copy>(choices: &mut Choices<'_>, values: &[T]) -> T {
    match choices.below(8) {
        7 => choices.pick(values),
        _ => values[0],
    }
}

fn head(choices: &mut Choices<'_>, start: String, fields: &[Field<'_>]) -> Vec<u8> {
    let mut text = String::new();
    while choices.one_in(16) {
        text += "\r\n";
    }
    text += &start;
    text += end(choices);
    for (name, values) in fields {
        for _ in 0..choices.pick(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]) {
            if let Some(value) = one(choices, values) {
                let name = match choices.one_in(8) {
                    true => name.to_uppercase(),
                    false => (*name).to_owned(),
                };
                let colon = one(choices, &[": ", ":", ":\t ", ": ", ":", ": ", ": ", " : "]);
                text += &[&name, colon, value].concat();
                text += end(choices);
            }
        }
    }
    if choices.one_in(64) {
        // More fields, and more bytes, than the limits allow.
        text += &"Y: y\r\n".repeat(choices.below(120));
    }
    text += "\r\n";
    // Latin-1: some values have characters that are no ASCII.
    let mut bytes: Vec<u8> = text.chars().map(|it| it as u8).collect();
    for _ in 0..choices.pick(&[0, 0, 0, 0, 0, 0, 1, 2]) {
        let at = (choices.below(256) * 256 + choices.below(256)) % (bytes.len() + 1);
        let byte = choices.pick(b"\r\n\t :,;=\"\\%\0a(\x7f\x80");
        match choices.below(4) {
            0 => bytes.insert(at, byte),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => bytes[at] = byte,
            _ => {}
        }
    }
    bytes.extend(choices.0);
    bytes
}

/// The end of a line.
fn end(choices: &mut Choices<'_>) -> &'static str {
    match choices.byte() {
        255 => choices.pick(&["\n", "\r", "\r\n ", "\r\n\t", "\r\r\n", "\n\r\n"]),
        _ => "\r\n",
    }
}
