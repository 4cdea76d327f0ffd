//! The same handshakes through several doors: the parser over bytes, and values that another
//! implementation of HTTP has parsed.

use bytes::BytesMut;
use websocket_proto::handshake::{
    Header,
    client::{self, ResponseError},
    server::{Accept, Handshake, Origins, RequestError},
    values::{self, Connect, Pending, Refusal, Upgrade},
};
use websocket_proto::{Config, RecvBuf, Seed};

use super::{client as responses, http::Head, server as requests};

// --- messages ----------------------------------------------------------------------------------

/// A head as names and values.
#[derive(Debug, Clone)]
pub struct Parsed<'h> {
    /// The parts of the first line.
    pub start: [&'h str; 3],
    pub fields: Vec<(&'h str, &'h str)>,
}

impl<'h> Parsed<'h> {
    pub fn new(head: &'h Head) -> Self {
        let mut parts = head.lines[0].splitn(3, ' ');
        let fields = head.lines[1..].iter();
        let fields = fields.map(|line| line.split_once(": ").expect("a name and a value"));
        Self {
            start: [(); 3].map(|()| parts.next().expect("three parts")),
            fields: fields.collect(),
        }
    }

    pub fn headers(&self) -> impl Iterator<Item = Header<'h>> {
        self.fields.iter().map(|&(name, value)| Header {
            name,
            value: value.as_bytes(),
        })
    }
}

/// A field of text.
pub fn field<'f>(name: &'f str, value: &'f str) -> Header<'f> {
    let value = value.as_bytes();
    Header { name, value }
}

/// `HTTP/1.1` as numbers.
pub fn version(text: &str) -> (u8, u8) {
    let (major, minor) = text[5..].split_once('.').expect("two numbers");
    (major.parse().unwrap(), minor.parse().unwrap())
}

/// A change of a head.
pub type Edit = (&'static str, Option<String>);

fn edit(head: Head, (name, line): &Edit) -> Head {
    match (*name, line) {
        ("", Some(line)) => head.with(&[line]),
        ("", None) => head,
        (name, line) => {
            let prefix = format!("{name}:");
            match head.lines.iter().any(|it| it.starts_with(&prefix)) {
                true => head.replaced(&prefix, line.as_deref()),
                false => head,
            }
        }
    }
}

/// A head with each edit, with each ordered pair of edits, and with each start line and edit.
fn combinations(head: &Head, starts: &[String], edits: &[Edit]) -> Vec<Head> {
    let mut heads = Vec::new();
    for first in edits {
        let head = edit(head.clone(), first);
        for start in starts {
            heads.push(head.clone().edited(|lines| lines[0] = start.clone()));
        }
        heads.extend(edits.iter().map(|second| edit(head.clone(), second)));
    }
    heads
}

/// Requests, valid and not.
pub fn requests() -> Vec<Head> {
    let methods = ["GET", "HEAD", "CONNECT", "G@T"];
    let targets = [
        "/",
        "http://example.com/chat",
        "wss://other.example?room=7",
        "example.com:443",
        "*",
        "/a|b[c]",
        "ftp://example.com/",
        "http://user@example.com/",
        "/\u{e9}",
        "/a#b",
    ];
    let versions = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0"];
    let starts = methods.iter().flat_map(|method| {
        targets
            .iter()
            .flat_map(move |target| versions.map(|version| format!("{method} {target} {version}")))
    });
    let mut edits: Vec<Edit> = vec![("", None)];
    for name in [
        "Host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
    ] {
        edits.push((name, None));
        edits.push((name, Some(format!("{name}: "))));
        edits.push((name, Some(format!("{name}: x y"))));
    }
    edits.extend(
        [
            ("Host", "hOsT: EXAMPLE.com:80"),
            ("Upgrade", "upgrade: h2c, WebSocket"),
            ("Connection", "CONNECTION: keep-alive,upgrade"),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"),
            (
                "Sec-WebSocket-Key",
                "Sec-WebSocket-Key:  \tdGhlIHNhbXBsZSBub25jZQ== ",
            ),
            ("", "Host: example.com"),
            ("", "Upgrade: h2c"),
            ("", "Connection: close"),
            ("", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
            ("", "Sec-WebSocket-Version: 13"),
            ("", "Origin: http://example.com"),
            ("", "Origin: https://evil.example"),
            ("", "Origin: null"),
            ("", "Origin: "),
            ("", "Origin: http://\u{e9}.example"),
            ("", "Content-Length: 0"),
            ("", "Content-Length: 5"),
            ("", "Content-Length: x"),
            ("", "Transfer-Encoding: chunked"),
            ("", "Transfer-Encoding: gzip"),
            ("", "Sec-WebSocket-Protocol: chat, superchat"),
            ("", "Sec-WebSocket-Protocol: other"),
            ("", "Sec-WebSocket-Protocol: a b"),
            ("", "Sec-WebSocket-Protocol: \u{e9}"),
            (
                "",
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            ),
            (
                "",
                "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99, x",
            ),
            ("", "Sec-WebSocket-Extensions: x;;"),
            ("", "Cookie: \u{e9}"),
            ("", "Cookie: a\u{1}b"),
            ("", "Cookie name: a"),
            ("", ": a"),
        ]
        .map(|(name, line)| (name, Some(line.into()))),
    );
    combinations(&requests::request(), &starts.collect::<Vec<_>>(), &edits)
}

/// Responses to [`responses::started`], final ones, valid and not.
pub fn responses() -> Vec<Head> {
    let versions = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0"];
    let statuses = [
        "101", "200", "204", "302", "404", "500", "999", "000", "099",
    ];
    let starts = versions
        .iter()
        .flat_map(|version| statuses.map(|status| format!("{version} {status} ")));
    let mut edits: Vec<Edit> = vec![("", None)];
    for name in ["Upgrade", "Connection", "Sec-WebSocket-Accept"] {
        edits.push((name, None));
        edits.push((name, Some(format!("{name}: "))));
        edits.push((name, Some(format!("{name}: x y"))));
    }
    edits.extend(
        [
            ("Upgrade", "upgrade: WebSocket"),
            ("Connection", "connection: close, UPGRADE"),
            ("", "Upgrade: h2c"),
            ("", "Upgrade: "),
            ("", "Connection: close"),
            ("", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("", "Sec-WebSocket-Protocol: chat"),
            ("", "Sec-WebSocket-Protocol: Chat"),
            ("", "Sec-WebSocket-Protocol: chat, superchat"),
            ("", "Sec-WebSocket-Protocol: "),
            ("", "Sec-WebSocket-Extensions: permessage-deflate"),
            (
                "",
                "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7",
            ),
            ("", "Sec-WebSocket-Extensions: x"),
            ("", "Sec-WebSocket-Extensions: "),
            ("", "Content-Length: 5"),
            ("", "Set-Cookie: \u{e9}"),
            ("", "Set-Cookie: a\u{1}b"),
            ("", "Set Cookie: a"),
        ]
        .map(|(name, line)| (name, Some(line.into()))),
    );
    combinations(&responses::response(), &starts.collect::<Vec<_>>(), &edits)
}

// --- the server --------------------------------------------------------------------------------

/// What a server makes of a request: the rule that it breaks, and the response. The fields are
/// sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub error: Option<RequestError>,
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: String,
    /// The compression of the connection.
    pub connection: Option<String>,
}

impl Verdict {
    pub fn new<'f>(
        error: Option<RequestError>,
        status: u16,
        fields: impl Iterator<Item = (&'f str, &'f [u8])>,
        body: &[u8],
        connection: Option<String>,
    ) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let mut fields: Vec<_> = fields
            .map(|(name, value)| (name.to_ascii_lowercase(), text(value)))
            // Who does the HTTP decides how a body and a stream end.
            .filter(|(name, value)| name != "content-length" && value != "close")
            .map(|(name, value)| (name, value.replace("Upgrade, close", "Upgrade")))
            .collect();
        fields.sort();
        Self {
            error,
            status,
            fields,
            body: text(body),
            connection,
        }
    }
}

pub fn compression(connection: &websocket_proto::Connection) -> String {
    // Compression is all of the negotiation that a connection knows.
    #[cfg(feature = "deflate")]
    return format!("{:?}", connection.deflate());
    #[cfg(not(feature = "deflate"))]
    return format!("{:?}", connection.state());
}

pub fn accept() -> Accept<'static> {
    Accept::new().header("Set-Cookie", "id=7")
}

/// Through the parser.
pub fn by_bytes(request: &Head, origins: &Origins, config: Config) -> Verdict {
    let mut handshake = Handshake::new(config, origins.clone());
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&request.bytes());
    let (error, connection) = match handshake.next(&mut input, &mut out) {
        Ok(received) => {
            let (request, pending) = received.expect("a complete head");
            let accept = match request.subprotocols().any(|name| name == "chat") {
                true => accept().subprotocol("chat"),
                false => accept(),
            };
            let connection = pending.accept(accept, &mut out).expect("a valid response");
            (None, Some(compression(&connection)))
        }
        Err(error) => (Some(error), None),
    };
    let out = core::str::from_utf8(&out).expect("text");
    let (head, body) = out.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap()[9..12].parse().expect("a number");
    let fields = lines.map(|line| line.split_once(": ").expect("a field"));
    let fields = fields.map(|(name, value)| (name, value.as_bytes()));
    // The parser leaves out the body of a response to HEAD. Here the HTTP implementation does.
    let text = error.map(|error| format!("{error}\n"));
    let body = match text {
        Some(text) if body.is_empty() && request.lines[0].starts_with("HEAD ") => text,
        _ => body.into(),
    };
    Verdict::new(error, status, fields, body.as_bytes(), connection)
}

/// The response, and the connection if the request is accepted.
pub fn decided(
    result: Result<Pending, Refusal>,
) -> (Option<RequestError>, values::Response, Option<String>) {
    match result {
        Ok(pending) => {
            let accept = match pending.offers("chat") {
                true => accept().subprotocol("chat"),
                false => accept(),
            };
            let (connection, response) = pending.accept(accept).expect("a valid response");
            (None, response, Some(compression(&connection)))
        }
        Err(refusal) => (Some(refusal.error()), refusal.response(), None),
    }
}

pub fn verdict(result: Result<Pending, Refusal>) -> Verdict {
    let (error, response, connection) = decided(result);
    let fields = response.fields().map(|field| (field.name, field.value));
    Verdict::new(
        error,
        response.status(),
        fields,
        response.body(),
        connection,
    )
}

/// Through values.
pub fn by_values(request: &Head, origins: &Origins, config: Config) -> Verdict {
    let parsed = Parsed::new(request);
    let upgrade = Upgrade {
        method: parsed.start[0],
        target: parsed.start[1],
        version: version(parsed.start[2]),
    };
    verdict(upgrade.check(parsed.headers(), origins, config))
}

/// A valid CONNECT, but for its fields.
pub const CONNECT: Connect<'_> = Connect {
    method: "CONNECT",
    protocol: Some("websocket"),
    scheme: Some("https"),
    authority: Some("example.com"),
    path: Some("/chat?room=7"),
};

/// A valid request, as an upgrade and as a CONNECT.
pub fn pendings() -> [Pending; 2] {
    let head = requests::request().with(&["Sec-WebSocket-Protocol: chat, b"]);
    let parsed = Parsed::new(&head);
    let upgrade = Upgrade {
        method: "GET",
        target: "/",
        version: (1, 1),
    };
    let fields = [
        field("sec-websocket-version", "13"),
        field("sec-websocket-protocol", "chat, b"),
    ];
    [
        upgrade
            .check(parsed.headers(), &Origins::Any, Config::new())
            .unwrap(),
        CONNECT.check(fields, &Origins::Any, Config::new()).unwrap(),
    ]
}

// --- the client --------------------------------------------------------------------------------

/// The request of a client that offers what the configuration and the application want.
pub fn request() -> client::Request<'static> {
    let request = client::Request::new(responses::URL).expect("a URL");
    request
        .subprotocol("chat")
        .subprotocol("superchat")
        .origin("http://example.com")
        .header("Cookie", "id=7")
}

/// The compression of the connection; `None` if the server refuses.
pub type Answer = Result<Option<String>, ResponseError>;

/// Through the parser.
pub fn answer_by_bytes(response: &Head, config: Config) -> Answer {
    let (mut handshake, _) = responses::started(&request(), config);
    let mut input = RecvBuf::new();
    input.extend_from_slice(&response.bytes());
    match handshake.next(&mut input)?.expect("a complete head") {
        client::Outcome::Accepted(connection, _) => Ok(Some(compression(&connection))),
        client::Outcome::Refused(_) => Ok(None),
    }
}

/// The handshake of the same client over values.
pub fn upgrade(config: Config) -> (values::Handshake, values::Request) {
    values::Handshake::upgrade(&request(), Seed::from([7; 32]), config).expect("a valid request")
}

/// The same client in HTTP/2 or HTTP/3.
pub fn connect(config: Config) -> (values::Handshake, values::Request) {
    values::Handshake::connect(&request(), Seed::from([7; 32]), config).expect("a valid request")
}

/// Through values.
pub fn answer_by_values(response: &Head, config: Config) -> Answer {
    let parsed = Parsed::new(response);
    let status = parsed.start[1].parse().expect("a number");
    let (handshake, _) = upgrade(config);
    let connection = handshake.finish(version(parsed.start[0]), status, parsed.headers())?;
    Ok(connection.map(|it| compression(&it)))
}

/// The default, and compression if this build has it.
pub fn configs() -> Vec<Config> {
    #[allow(unused_mut)]
    let mut configs = vec![Config::new()];
    #[cfg(feature = "deflate")]
    configs.push(super::config(|config| {
        config.deflate = Some(websocket_proto::deflate::DeflateConfig::new());
    }));
    configs
}
