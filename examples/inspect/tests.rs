use super::frames::Frames;

/// The lines for a stream that arrives in reads of this size.
fn lines(stream: &[u8], read: usize) -> Vec<String> {
    let mut frames = Frames::default();
    let mut lines = Vec::new();
    for bytes in stream.chunks(read) {
        frames.push(bytes);
        lines.extend(frames.by_ref());
    }
    lines.push(frames.end());
    let text = |(position, line)| format!("{position} {line}");
    lines.into_iter().map(text).collect()
}

#[test]
fn every_split_gives_the_same_lines() {
    let stream = [
        &b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"[..],
        b"\x81\x02Hi",
        b"\x83\x01?",
        b"\x82\x7e\x00\x01!",
        b"\x81\x81\x01\x02\x03\x04i",
        b"\x01\x01a\x89\x01p\x81\x01b\x80\x00",
        b"\x82\x7e\x01\x00",
        &[7; 256],
        b"\x88\x05\x03\xedbye",
        b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
        &[7; 200],
    ]
    .concat();
    let whole = lines(&stream, stream.len());
    for read in 1..50 {
        assert_eq!(lines(&stream, read), whole, "reads of {read} bytes");
    }
    let illegal = whole.iter().filter_map(|line| line.split_once("ILLEGAL: "));
    let illegal: Vec<_> = illegal.map(|(_, rule)| rule).collect();
    assert_eq!(
        illegal,
        [
            "the opcode 0x3 is reserved (RFC 6455 §5.2)",
            "the payload length is not in its shortest form (RFC 6455 §5.2)",
            "a frame from a server is masked (RFC 6455 §5.1)",
            "a new message begins inside a fragmented one (RFC 6455 §5.4)",
            "the close code 1005 must not be sent (RFC 6455 §7.4)",
            "the top bit of a 64-bit payload length is set (RFC 6455 §5.2)",
        ]
    );
    assert!(whole[4].contains("  h\n"), "{}", whole[4]); // unmasked
    let missing = u64::MAX - 200;
    let end = format!(
        "{} end of the stream; {missing} bytes are missing",
        stream.len()
    );
    assert_eq!(whole.last(), Some(&end));
}
