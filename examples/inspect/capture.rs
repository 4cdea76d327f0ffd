//! A captured stream: raw bytes or hex digits.
use std::io::{self, ErrorKind, Read, Write};

use super::frames::Frames;

/// Shows one direction. The first read decides whether the bytes are hex digits.
pub fn capture(mut input: impl Read) -> io::Result<()> {
    let (mut frames, mut stdout) = (Frames::default(), io::stdout().lock());
    let (mut buf, mut is_hex, mut half) = ([0; 16 << 10], None, None);
    loop {
        let n = input.read(&mut buf)?;
        let mut bytes = buf[..n].to_vec();
        let digits = |byte: &u8| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace();
        if *is_hex.get_or_insert(bytes.iter().all(digits)) {
            let digits = buf[..n]
                .iter()
                .filter_map(|&byte| char::from(byte).to_digit(16));
            bytes = digits
                .filter_map(|digit| match half.take() {
                    Some(high) => Some((high * 16 + digit) as u8),
                    None => {
                        half = Some(digit);
                        None
                    }
                })
                .collect();
        }
        frames.push(&bytes);
        let mut lines: Vec<_> = frames.by_ref().collect();
        if n == 0 {
            lines.push(frames.end());
        }
        for (position, line) in lines {
            match writeln!(stdout, "{position:>8}  {line}") {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()), // as with head
                written => written?,
            }
        }
        if n == 0 {
            return Ok(());
        }
    }
}
