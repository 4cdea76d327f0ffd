use std::error::Error;
use std::io::{Read, Write};

use bytes::BytesMut;
use websocket_proto::{Connection, Event, RecvBuf};

type Outcome = Result<(), Box<dyn Error>>;

fn echo(
    socket: &mut (impl Read + Write),
    ws: &mut Connection,
    input: &mut RecvBuf,
    out: &mut BytesMut,
) -> Outcome {
    loop {
        // 1. Take all events.
        let result = take_events(ws, input, out);
        // 2. Flush. After an error, `out` contains the Close frame.
        socket.write_all(&out.split())?;
        result?;
        if ws.is_done() {
            return Ok(());
        }
        // 3. Wait for more bytes.
        match socket.read(input.spare(input.read_size()))? {
            0 => ws.end_of_stream(),
            n => input.filled(n),
        }
    }
}

fn take_events(ws: &mut Connection, input: &mut RecvBuf, out: &mut BytesMut) -> Outcome {
    while let Some(event) = ws.next_event(input, out)? {
        match event {
            Event::Text(text) => ws.send_text(text, out)?,
            Event::Binary(bytes) => ws.send_binary(bytes, out)?,
            _ => {} // pings and Close frames are answered already
        }
    }
    Ok(())
}
