//! The options of all examples: how they negotiate compression.
use websocket_proto::deflate::{DeflateConfig, Params};
use websocket_proto::handshake::client::Request;

pub(crate) const HELP: &str = "\
Messages are compressed (permessage-deflate) if the peer agrees:
  --no-deflate             neither offers compression nor accepts it
  --no-context-takeover    each message is compressed on its own, in both directions; a client
                           also accepts a server that does not do so
  --window-bits N          compressors look back 2^N bytes at most, in both directions: 9 to 15";

/// Takes these options out of the arguments, and returns the other arguments.
pub(crate) fn parse(
    args: impl IntoIterator<Item = String>,
    deflate: &mut Option<DeflateConfig>,
) -> Result<Vec<String>, String> {
    let (mut args, mut others, mut wanted) = (args.into_iter(), Vec::new(), true);
    let mut config = deflate.unwrap_or_default();
    while let Some(arg) = args.next() {
        match &*arg {
            "--no-deflate" => wanted = false,
            "--no-context-takeover" => {
                config.server_no_context_takeover = true;
                config.client_no_context_takeover = true;
            }
            "--window-bits" => {
                let bits = args.next().and_then(|bits| bits.parse().ok());
                let bits = bits.filter(|bits| (9..=15).contains(bits));
                let bits = bits.ok_or("--window-bits takes a number from 9 to 15")?;
                config.server_max_window_bits = bits;
                config.client_max_window_bits = bits;
            }
            _ => others.push(arg),
        }
    }
    *deflate = wanted.then_some(config);
    Ok(others)
}

/// Adds the offers of compression to the request of a client.
///
/// tornado and Mojolicious do not agree to `server_no_context_takeover`. The second offer accepts
/// such a server.
#[allow(dead_code)] // servers make no offers
pub(crate) fn offer<'a>(request: Request<'a>, deflate: Option<DeflateConfig>) -> Request<'a> {
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
