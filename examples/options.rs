//! The options that all examples share: a limit, and compression.
use websocket_proto::deflate::{DeflateConfig, Params};
use websocket_proto::{Config, handshake::client::Request};

pub const HELP: &str = "\
Options of all examples:
  --max-message-size SIZE  largest message to accept, in bytes or as in 64M; default: 1M
  --no-deflate             do not use compression (permessage-deflate)
  --no-context-takeover    compress each message on its own, in both directions; a client
                           also accepts a server that does not do so
  --window-bits N          compress with windows of at most 2^N bytes, in both directions; 9 to 15";

/// Takes these options out of the arguments. Returns the configuration and the other arguments.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<(Config, Vec<String>), String> {
    let (mut config, mut deflate) = (Config::new(), DeflateConfig::new());
    let (mut args, mut others, mut wanted) = (args.into_iter(), Vec::new(), true);
    while let Some(arg) = args.next() {
        match &*arg {
            "--max-message-size" => {
                let size = args.next().and_then(|size| bytes(&size));
                config.max_message_size =
                    size.ok_or("--max-message-size takes a number of bytes, such as 65536 or 64M")?;
            }
            "--no-deflate" => wanted = false,
            "--no-context-takeover" => {
                deflate.server_no_context_takeover = true;
                deflate.client_no_context_takeover = true;
            }
            "--window-bits" => {
                let bits = args.next().and_then(|bits| bits.parse().ok());
                let bits = bits.filter(|bits| (9..=15).contains(bits));
                let bits = bits.ok_or("--window-bits takes a number from 9 to 15")?;
                deflate.server_max_window_bits = bits;
                deflate.client_max_window_bits = bits;
            }
            _ => others.push(arg),
        }
    }
    config.deflate = wanted.then_some(deflate);
    Ok((config, others))
}

/// `None` if it is no number, or more than an address space.
fn bytes(size: &str) -> Option<usize> {
    let (number, unit) = match size.strip_suffix('M') {
        Some(number) => (number, 1 << 20),
        None => (size, 1),
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

/// Adds the offers of compression to the request of a client.
///
/// tornado and Mojolicious do not agree to `server_no_context_takeover`. The second offer accepts
/// such a server.
pub fn offer<'a>(request: Request<'a>, deflate: Option<DeflateConfig>) -> Request<'a> {
    let Some(offer) = deflate.map(|config| config.offer()) else {
        return request;
    };
    let request = request.deflate_offer(offer);
    if !offer.server_no_context_takeover {
        return request;
    }
    request.deflate_offer(Params {
        server_no_context_takeover: false,
        ..offer
    })
}
