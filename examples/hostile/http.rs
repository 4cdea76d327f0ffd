//! Heads of requests and responses, correct or not.
use websocket_proto::deflate::Params;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The answer to the key (RFC 6455 §1.3).
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A head, whose lines can be changed.
#[derive(Clone)]
pub struct Lines {
    line: String,
    pub lines: Vec<String>,
}

impl Lines {
    /// A correct request (RFC 6455 §4.1).
    pub fn request(host: &str, path: &str) -> Self {
        let lines = [
            &format!("Host: {host}"),
            "Upgrade: websocket",
            "Connection: Upgrade",
            &format!("Sec-WebSocket-Key: {KEY}"),
            "Sec-WebSocket-Version: 13",
        ];
        Self {
            line: format!("GET {path} HTTP/1.1"),
            lines: lines.map(String::from).into(),
        }
    }

    /// A correct response (§4.2.2), in which [`ACCEPT`] stands for the answer to the key.
    pub fn response() -> Self {
        let lines = [
            "Upgrade: websocket",
            "Connection: Upgrade",
            &format!("Sec-WebSocket-Accept: {ACCEPT}"),
        ];
        Self {
            line: "HTTP/1.1 101 Switching Protocols".into(),
            lines: lines.map(String::from).into(),
        }
    }

    pub fn with(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        let name = format!("{name}:");
        self.lines.retain(|line| !line.starts_with(&name));
        self
    }

    /// Replaces the line of this name.
    pub fn set(self, name: &str, value: &str) -> Self {
        self.without(name).with(format!("{name}: {value}"))
    }

    pub fn line(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.line = change(&self.line);
        self
    }

    /// The head, with this end of each line.
    pub fn ending(&self, end: &str) -> Vec<u8> {
        let lines: String = self.lines.iter().flat_map(|it| [it, end]).collect();
        format!("{}{end}{lines}{end}", self.line).into_bytes()
    }
}

impl From<Lines> for Vec<u8> {
    fn from(lines: Lines) -> Self {
        lines.ending("\r\n")
    }
}

/// What matters of a response.
pub struct Answer {
    pub status: u16,
    /// It is 101 with a wrong or no `Sec-WebSocket-Accept`.
    pub is_wrong: bool,
    /// What was accepted of `Sec-WebSocket-Extensions`.
    pub extensions: Option<String>,
    /// The length of the head in bytes.
    pub len: usize,
}

/// `None`: the head is not complete.
pub fn answer(bytes: &[u8]) -> Option<Answer> {
    let len = bytes.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..len]);
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let status = status.filter(|_| head.starts_with("HTTP/1.")).unwrap_or(0);
    Some(Answer {
        status,
        is_wrong: status == 101 && value(&head, "sec-websocket-accept") != Some(ACCEPT),
        extensions: value(&head, "sec-websocket-extensions").map(String::from),
        len,
    })
}

impl Answer {
    /// The agreement on compression.
    pub fn agreed(&self, offer: Params) -> Option<Params> {
        Params::agree(&[offer], self.extensions.as_deref()?).ok()
    }
}

/// The value of the first line of this name, which is in lower case.
pub fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
