//! Reads `text/event-stream`, as browsers do (WHATWG HTML, §9.2).

/// Maximum length of a line and of the data of an event, in bytes.
const LIMIT: usize = 64 << 10;

/// An event that was dispatched. Its type is `message` in the comparison, and is not kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub data: String,
    /// The last id of the stream: a client that connects again sends it as `Last-Event-ID`.
    pub id: String,
}

/// A line or an event is too long.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is longer than {LIMIT} bytes")]
pub struct TooLong;

/// Takes the stream in any pieces.
#[derive(Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was a CR, which a LF may follow.
    after_cr: bool,
    after_first_line: bool,
    data: Option<String>,
    id: String,
}

impl Parser {
    /// Takes the next bytes of the stream, and gives what they complete to `event`.
    pub fn push(&mut self, bytes: &[u8], mut event: impl FnMut(Event)) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {} // the CR has ended the line
                b'\r' | b'\n' => {
                    if let Some(complete) = self.line()? {
                        event(complete);
                    }
                }
                _ if self.line.len() == LIMIT => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn line(&mut self) -> Result<Option<Event>, TooLong> {
        let line = std::mem::take(&mut self.line);
        let mut line = &*String::from_utf8_lossy(&line);
        if !std::mem::replace(&mut self.after_first_line, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let data = self.data.take();
            return Ok(data.map(|data| Event {
                data,
                id: self.id.clone(),
            }));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                None => self.data = Some(value.into()),
                Some(data) if data.len() + value.len() >= LIMIT => return Err(TooLong),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "id" if !value.contains('\0') => self.id = value.into(),
            _ => {} // a comment, whose field is empty, or a field that the comparison does not need
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for piece in pieces {
            let taken = parser.push(piece, |event| events.push((event.data, event.id)));
            taken.unwrap();
        }
        events
    }

    fn event(data: &str, id: &str) -> (String, String) {
        (data.into(), id.into())
    }

    #[test]
    fn events_have_data_and_the_last_id() {
        let stream =
            b"retry: 1000\n\nid: 1\ndata: one\n\n:\n\ndata:two\ndata:  lines\n\nid\ndata\n\n";
        let expected = [event("one", "1"), event("two\n lines", "1"), event("", "")];
        assert_eq!(parse(&[stream]), expected);
    }

    #[test]
    fn any_split_gives_the_same() {
        let stream =
            "\u{feff}id:7\r\ndata: ä\r\rdata: x\n\r\nevent: other\nid: 8\u{0}\ndata: {}\n\n";
        let expected = [event("ä", "7"), event("x", "7"), event("{}", "7")];
        assert_eq!(parse(&[stream.as_bytes()]), expected);
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(parse(&bytes), expected);
        for at in 0..stream.len() {
            let (a, b) = stream.as_bytes().split_at(at);
            assert_eq!(parse(&[a, b]), expected, "{at}");
        }
    }

    #[test]
    fn what_is_not_complete_is_no_event() {
        assert!(parse(&[b"data: one\n"]).is_empty());
        assert!(parse(&[b"id: 3\n\n"]).is_empty());
    }

    #[test]
    fn lengths_are_limited() {
        let long = vec![b'x'; LIMIT + 1];
        assert_eq!(Parser::default().push(&long, |_| ()), Err(TooLong));
        let line = [b"data:".as_slice(), &[b'x'; 1000], b"\n"].concat();
        let many = line.repeat(LIMIT / 1000 + 1);
        assert_eq!(Parser::default().push(&many, |_| ()), Err(TooLong));
    }
}
