//! A naive parser of the head of a request or response: RFC 9112 and RFC 9110. See [`naive`](super::naive).

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// More bytes are needed.
    Incomplete,
    /// A server refuses with this status. A client fails, whatever it is.
    Status(u16),
}

use Stop::{Incomplete, Status};

pub const BAD: Stop = Status(400);
const TOO_LARGE: Stop = Status(431);

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub head: usize,
    pub fields: usize,
}

/// A head as text.
pub struct Head {
    /// With the empty lines in front of it.
    pub len: usize,
    pub start_line: String,
    pub fields: Vec<(String, String)>,
}

/// The lines of a head (RFC 9112 §2.1, §2.2), and its fields (§5).
pub fn head(bytes: &[u8], limits: Limits, is_request: bool) -> Result<Head, Stop> {
    let within: String = bytes
        .iter()
        .take(limits.head)
        .map(|byte| char::from(*byte))
        .collect();
    let (lines, len) = match lines(&within, is_request) {
        Err(Incomplete) if bytes.len() > limits.head => return Err(TOO_LARGE),
        lines => lines?,
    };
    let (start_line, field_lines) = lines.split_first().ok_or(BAD)?;
    if !is_value(start_line) {
        return Err(BAD);
    }
    match is_request {
        true => request_line(start_line).map(drop),
        false => status_line(start_line).map(drop),
    }
    .ok_or(BAD)?;
    let mut fields = Vec::new();
    for line in field_lines {
        let (name, value) = line.split_once(':').ok_or(BAD)?;
        if !is_token(name) || !is_value(value) {
            return Err(BAD);
        }
        if fields.len() == limits.fields {
            return Err(TOO_LARGE);
        }
        fields.push((name.to_ascii_lowercase(), trim(value).to_owned()));
    }
    Ok(Head {
        len: latin1_len(&within[..len]),
        start_line: start_line.to_string(),
        fields,
    })
}

fn lines(text: &str, is_request: bool) -> Result<(Vec<&str>, usize), Stop> {
    let (mut lines, mut rest) = (Vec::new(), text);
    loop {
        // obs-fold (§5.2).
        if !lines.is_empty() && rest.starts_with([' ', '\t']) {
            return Err(BAD);
        }
        // What starts like this is no HTTP.
        let is_start = |it: char| {
            if is_request {
                is_token(&it.to_string())
            } else {
                it == 'H'
            }
        };
        if lines.is_empty() && rest.chars().next().is_some_and(|it| !is_start(it)) {
            let empty = is_request && (rest.starts_with("\r\n") || rest == "\r");
            if !empty {
                return Err(BAD);
            }
        }
        let end = rest.find(['\r', '\n']).ok_or(Incomplete)?;
        let (line, ending) = rest.split_at(end);
        if ending == "\r" {
            return Err(Incomplete);
        }
        rest = ending.strip_prefix("\r\n").ok_or(BAD)?;
        match line {
            // Empty lines before a request are ignored (§2.2).
            "" if lines.is_empty() => {}
            "" => return Ok((lines, text.len() - rest.len())),
            _ => lines.push(line),
        }
    }
}

/// Each character was one byte.
fn latin1_len(text: &str) -> usize {
    text.chars().count()
}

/// §3: method, target and the number of the version.
pub fn request_line(line: &str) -> Option<[&str; 3]> {
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let is_target = !target.is_empty() && !target.contains('\t');
    let version = http_version(version)?;
    (is_token(method) && is_target).then_some([method, target, version])
}

/// §4: the number of the version and the status. The major version must be 1.
pub fn status_line(line: &str) -> Option<(&str, u16)> {
    let (version, rest) = line.split_once(' ')?;
    let (status, _reason) = rest.split_once(' ')?;
    let is_status = status.len() == 3 && status.chars().all(|it| it.is_ascii_digit());
    let version = http_version(version).filter(|it| it.starts_with('1'))?;
    is_status.then_some((version, status.parse().ok()?))
}

fn http_version(text: &str) -> Option<&str> {
    let number = text.strip_prefix("HTTP/")?;
    let digit = |it: &u8| it.is_ascii_digit();
    matches!(number.as_bytes(), [major, b'.', minor] if digit(major) && digit(minor))
        .then_some(number)
}

/// §3.2: the authority of an absolute form, and path and query.
pub fn split_target(target: &str) -> Option<(Option<&str>, &str)> {
    if target.starts_with('/') {
        return Some((None, target));
    }
    // RFC 6455 §4.2.1: "or an absolute HTTP/HTTPS URI".
    let (scheme, rest) = target.split_once("://")?;
    if !["http", "https"].contains(&&*scheme.to_ascii_lowercase()) {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, resource) = rest.split_at(end);
    Some((Some(authority), resource))
}

/// RFC 3986 §3.3, §3.4: `path-abempty [ "?" query ]`.
pub fn is_resource(resource: &str) -> bool {
    escapes(resource).is_some_and(|rest| {
        let special = "-._~!$&'()*+,;=:@/?";
        rest.chars()
            .all(|it| it.is_ascii_alphanumeric() || special.contains(it))
    })
}

/// Removes percent-encoded bytes (RFC 3986 §2.1). `None` if one is malformed.
fn escapes(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut rest = parts.next()?.to_owned();
    for part in parts {
        let digits = part.get(..2)?;
        digits
            .chars()
            .all(|it| it.is_ascii_hexdigit())
            .then_some(())?;
        rest += &part[2..];
    }
    Some(rest)
}

/// §7.2 of RFC 9110, §3.2.2 of RFC 3986: `uri-host [ ":" port ]`. http has no empty host.
pub fn host_and_port(authority: &str) -> Option<(&str, &str)> {
    let (host, port) = match authority.rfind(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let digits = match port {
        "" => "",
        port => port.strip_prefix(':')?,
    };
    let is_host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(literal) => literal.parse::<std::net::Ipv6Addr>().is_ok() || is_future(literal),
        None => escapes(host).is_some_and(|rest| rest.chars().all(is_name_char)),
    };
    let is_port = digits.chars().all(|it| it.is_ascii_digit());
    (is_host && is_port && !host.is_empty()).then_some((host, digits))
}

fn is_name_char(it: char) -> bool {
    it.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(it)
}

/// `IPvFuture` of RFC 3986 §3.2.2.
fn is_future(literal: &str) -> bool {
    let parts = literal
        .strip_prefix(['v', 'V'])
        .and_then(|it| it.split_once('.'));
    parts.is_some_and(|(version, rest)| {
        let hex = |text: &str| !text.is_empty() && text.chars().all(|it| it.is_ascii_hexdigit());
        let all = |it: char| is_name_char(it) || it == ':';
        hex(version) && !rest.is_empty() && rest.chars().all(all)
    })
}

/// §6.3. `None`: the framing is invalid.
pub fn has_body(head: &Head) -> Option<bool> {
    let lengths: Vec<_> = head.list("content-length").collect();
    let has_length = head.values("content-length").next().is_some();
    let is_empty_field = head
        .values("content-length")
        .any(|it| it.replace([' ', '\t', ','], "").is_empty());
    let digits = |it: &&str| it.chars().all(|digit| digit.is_ascii_digit());
    let numbers: Vec<_> = lengths
        .iter()
        .map(|it| it.trim_start_matches('0'))
        .collect();
    if !lengths.iter().all(digits) || is_empty_field || numbers.windows(2).any(|it| it[0] != it[1])
    {
        return None;
    }
    if head.values("transfer-encoding").next().is_none() {
        return Some(has_length && !numbers[0].is_empty());
    }
    let last = head.list("transfer-encoding").last();
    let is_chunked = last.is_some_and(|it| it.eq_ignore_ascii_case("chunked"));
    (is_chunked && !has_length).then_some(true)
}

impl Head {
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let fields = self.fields.iter().filter(move |field| field.0 == name);
        fields.map(|field| &*field.1)
    }

    /// The value of a field that must not occur twice.
    pub fn sole(&self, name: &str) -> Result<Option<&str>, Stop> {
        let mut values = self.values(name);
        let first = values.next();
        values.next().is_none().then_some(first).ok_or(BAD)
    }

    /// §5.6.1: the elements of all fields of the name. Empty ones do not count.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let elements = self
            .values(name)
            .flat_map(|value| value.split(','))
            .map(trim);
        elements.filter(|it| !it.is_empty())
    }

    /// The same for a list that has at least one element, if there is a field. A comma in quotes does
    /// not separate.
    pub fn elements(&self, name: &str) -> Result<Vec<String>, Stop> {
        let mut elements = Vec::new();
        for value in self.values(name) {
            let (mut element, mut quoted, mut escaped) = (String::new(), false, false);
            for it in value.chars().chain([',']) {
                if it == ',' && !quoted {
                    elements.push(trim(&core::mem::take(&mut element)).to_owned());
                    continue;
                }
                element.push(it);
                quoted ^= it == '"' && !escaped;
                escaped = quoted && it == '\\' && !escaped;
            }
            if quoted {
                return Err(BAD);
            }
        }
        elements.retain(|element| !element.is_empty());
        let is_there = self.values(name).next().is_some();
        (!is_there || !elements.is_empty())
            .then_some(elements)
            .ok_or(BAD)
    }
}

/// RFC 9110 §5.6.2.
pub fn is_token(text: &str) -> bool {
    let is_char = |it: char| it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(it);
    !text.is_empty() && text.chars().all(is_char)
}

/// RFC 9110 §5.5: visible characters, spaces, tabs and `obs-text`.
fn is_value(text: &str) -> bool {
    text.chars()
        .all(|it| matches!(it, '\t' | ' '..='~' | '\u{80}'..='\u{ff}'))
}

pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
