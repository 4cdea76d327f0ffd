//! Negotiation of permessage-deflate in the handshake (RFC 7692 §5, §7.1).

use alloc::vec::Vec;
use core::fmt;

use super::DeflateConfig;
use crate::grammar::{Extension, Value};
#[cfg(feature = "deflate")]
use crate::grammar::{list, sole};

/// The name of the extension (RFC 7692 §7).
const NAME: &str = "permessage-deflate";

/// A window is 2^8 to 2^15 bytes long (§7.1.2). Our own compressor needs at least 2^9, because zlib
/// does not support less.
pub(super) const MAX_WINDOW_BITS: u8 = 15;
pub(super) const MIN_WINDOW_BITS: u8 = 8;
pub(super) const OWN_MIN_WINDOW_BITS: u8 = 9;

/// The parameters of permessage-deflate (RFC 7692 §7.1), in an offer of the client, in the
/// response of the server, or as agreed.
///
/// The `server_*` parameters are about the compressor of the server, the `client_*` parameters
/// about the compressor of the client. `to_string` writes an element of
/// `Sec-WebSocket-Extensions`.
///
/// If you fill in a response by hand, leave out a `client_max_window_bits` of 15: it is written
/// without a value, which is not allowed in a response (§7.1.2.2). [`DeflateConfig::accept`] does
/// that for you.
///
/// ```
/// # #[cfg(feature = "deflate")] {
/// use websocket_proto::deflate::Params;
///
/// let params = Params {
///     server_no_context_takeover: true,
///     server_max_window_bits: Some(10),
///     client_max_window_bits: Some(15),
///     ..Params::default()
/// };
/// assert_eq!(
///     params.to_string(),
///     "permessage-deflate; server_no_context_takeover; \
///      server_max_window_bits=10; client_max_window_bits"
/// );
/// # }
/// ```
// Exhaustive: the RFC defines these four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Params {
    /// The server compresses each message without the messages before it (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message without the messages before it (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The window of the server's compressor is at most 2^N bytes long; N is 8 to 15 (§7.1.2.1).
    /// `None` leaves the parameter out, which means 15.
    pub server_max_window_bits: Option<u8>,
    /// The window of the client's compressor is at most 2^N bytes long; N is 8 to 15 (§7.1.2.2).
    /// `None` leaves the parameter out, which means 15. In an offer, `Some` also allows the server
    /// to choose a smaller window, and 15 is written without a value.
    pub client_max_window_bits: Option<u8>,
}

/// [`Params`] in two bytes, which keeps a connection small. Four bits for each window, 0 for `None`.
#[cfg(feature = "deflate")]
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedParams {
    windows: u8,
    no_context_takeover: u8,
}

#[cfg(feature = "deflate")]
impl PackedParams {
    /// Windows outside 8 to 15 count as the nearest.
    pub(super) fn new(params: Params) -> Self {
        let window =
            |bits: Option<u8>| bits.map_or(0, |bits| bits.clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS));
        let server = u8::from(params.server_no_context_takeover);
        let client = u8::from(params.client_no_context_takeover);
        Self {
            windows: window(params.server_max_window_bits) << 4
                | window(params.client_max_window_bits),
            no_context_takeover: server << 1 | client,
        }
    }

    pub(super) fn unpack(self) -> Params {
        let window = |bits: u8| (bits > 0).then_some(bits);
        Params {
            server_no_context_takeover: self.no_context_takeover & 2 > 0,
            client_no_context_takeover: self.no_context_takeover & 1 > 0,
            server_max_window_bits: window(self.windows >> 4),
            client_max_window_bits: window(self.windows & 15),
        }
    }
}

/// Writes an element of `Sec-WebSocket-Extensions` (RFC 7692 §7.1).
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        match self.client_max_window_bits {
            None => Ok(()),
            Some(MAX_WINDOW_BITS) => f.write_str("; client_max_window_bits"),
            Some(bits) => write!(f, "; client_max_window_bits={bits}"),
        }
    }
}

/// The response of the server does not fit any offer of the client. The client must fail the
/// connection (RFC 7692 §5.1).
///
/// ```
/// use websocket_proto::deflate::{NegotiationError, DeflateConfig, Params};
///
/// let offer = DeflateConfig::new().offer();
/// let response = "permessage-deflate; server_max_window_bits=16";
/// assert_eq!(Params::agree(&[offer], response), Err(NegotiationError));
/// ```
// Exhaustive: a client does the same for every mistake.
#[cfg(feature = "deflate")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the response of the server fits none of the offers (RFC 7692 §5.1, §7.1)")]
pub struct NegotiationError;

impl Params {
    /// Checks the response of a server, and returns the parameters for the connection. Use it for
    /// a client whose handshake happens elsewhere; [`handshake::client`](crate::handshake::client)
    /// does it by itself.
    ///
    /// `response` is the value of `Sec-WebSocket-Extensions` in the response. `offers` are the
    /// elements of the same field in the request, in the same order. A response does not name its
    /// offer, so the first offer that fits counts.
    ///
    /// The result holds what the response says, and what the offer promised about the client.
    ///
    /// # Errors
    ///
    /// [`NegotiationError`] if `response` is not exactly one extension, if that is not
    /// permessage-deflate, or if it does not fit any of the offers.
    ///
    /// ```
    /// use websocket_proto::deflate::{DeflateConfig, Params};
    ///
    /// // The client sends an offer.
    /// let offer = DeflateConfig::new().offer();
    /// let request = offer.to_string();
    ///
    /// // The server accepts it.
    /// let mut config = DeflateConfig::new();
    /// config.client_max_window_bits = 12;
    /// let server = config.accept([&*request]).expect("an acceptable offer");
    /// let response = server.to_string();
    /// assert_eq!(response, "permessage-deflate; client_max_window_bits=12");
    ///
    /// // The client checks the response.
    /// let client = Params::agree(&[offer], &response)?;
    /// assert_eq!(client, server);
    /// # Ok::<(), websocket_proto::deflate::NegotiationError>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn agree(offers: &[Self], response: &str) -> Result<Self, NegotiationError> {
        sole(list(response.as_bytes()))
            .and_then(Extension::parse)
            .filter(|extension| is_deflate(*extension))
            .and_then(|extension| Self::negotiate(offers.iter().copied(), extension))
            .ok_or(NegotiationError)
    }

    /// The parameters that follow from the response and the first offer that it fits. "An element
    /// preceding another element has higher preference" (§5), so a server takes that offer.
    pub(crate) fn negotiate(
        offers: impl IntoIterator<Item = Self>,
        response: Extension<'_>,
    ) -> Option<Self> {
        let response = Self::parse(response, None)?;
        offers.into_iter().find_map(|offer| offer.agreed(response))
    }

    /// The parameters that follow from this offer and the response; `None` if they do not fit.
    fn agreed(self, response: Self) -> Option<Self> {
        // "A server accepts an extension negotiation offer that includes the
        // "server_no_context_takeover" extension parameter by including [it]" (§7.1.1.1).
        let takeover = response.server_no_context_takeover || !self.server_no_context_takeover;
        // "... by including the "server_max_window_bits" extension parameter in the extension
        // negotiation response [...] with the same or smaller value as the offer" (§7.1.2.1).
        let server = self.server_max_window_bits.is_none_or(|max| {
            response
                .server_max_window_bits
                .is_some_and(|bits| bits <= max)
        });
        // "If a received extension negotiation offer doesn't have the "client_max_window_bits"
        // extension parameter, the corresponding extension negotiation response to the offer MUST
        // NOT include the "client_max_window_bits" extension parameter." (§7.1.2.2)
        let client = response
            .client_max_window_bits
            .is_none_or(|bits| self.client_max_window_bits.is_some_and(|max| bits <= max));
        // "even if the server doesn't include the "client_no_context_takeover" extension parameter
        // in the corresponding extension negotiation response to the offer, the client is not
        // going to use context takeover" (§7.1.1.2). The same is true for the window (§7.1.2.2).
        let promised = self.client_max_window_bits.and_then(limit);
        (takeover && server && client).then_some(Self {
            client_no_context_takeover: response.client_no_context_takeover
                || self.client_no_context_takeover,
            client_max_window_bits: response.client_max_window_bits.or(promised),
            ..response
        })
    }

    /// Whether a client can offer these windows: they exist, and its own compressor supports its
    /// own.
    pub(crate) fn is_offerable(&self) -> bool {
        let within =
            |bits: Option<u8>, min| bits.is_none_or(|bits| (min..=MAX_WINDOW_BITS).contains(&bits));
        within(self.server_max_window_bits, MIN_WINDOW_BITS)
            && within(self.client_max_window_bits, OWN_MIN_WINDOW_BITS)
    }

    /// What most browsers offer, as it is sent and as it is parsed.
    pub(crate) const COMMON_OFFER: (&[u8], Self) = (
        b"permessage-deflate; client_max_window_bits",
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: Some(MAX_WINDOW_BITS),
        },
    );

    /// The parameters of a valid offer of permessage-deflate; `None` for any other extension.
    pub(crate) fn offered(extension: Extension<'_>) -> Option<Self> {
        is_deflate(extension).then(|| Self::parse(extension, Some(MAX_WINDOW_BITS)))?
    }

    /// The parameters; `None` if one is "not defined for use" in this place or has "an invalid
    /// value", or if there are "multiple extension parameters with the same name" (§7).
    ///
    /// A `client_max_window_bits` without a value counts as `bare`.
    fn parse(extension: Extension<'_>, bare: Option<u8>) -> Option<Self> {
        let mut params = Self::default();
        for (name, value) in extension.params() {
            let repeated = match (name, value) {
                (b"server_no_context_takeover", None) => {
                    core::mem::replace(&mut params.server_no_context_takeover, true)
                }
                (b"client_no_context_takeover", None) => {
                    core::mem::replace(&mut params.client_no_context_takeover, true)
                }
                (b"server_max_window_bits", Some(value)) => {
                    let bits = window_bits(value)?;
                    params.server_max_window_bits.replace(bits).is_some()
                }
                (b"client_max_window_bits", value) => {
                    let bits = value.map_or(bare, window_bits)?;
                    params.client_max_window_bits.replace(bits).is_some()
                }
                _ => return None,
            };
            if repeated {
                return None;
            }
        }
        Some(params)
    }
}

/// The offers of permessage-deflate in a request, the preferred one first. One offer, the usual
/// number, needs no heap memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offers {
    first: Option<Params>,
    others: Vec<Params>,
}

impl From<Params> for Offers {
    fn from(offer: Params) -> Self {
        Self {
            first: Some(offer),
            others: Vec::new(),
        }
    }
}

impl Offers {
    pub(crate) fn push(&mut self, offer: Params) {
        match self.first {
            None => self.first = Some(offer),
            Some(_) => self.others.push(offer),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Params> {
        self.first.into_iter().chain(self.others.iter().copied())
    }
}

pub(crate) fn is_deflate(extension: Extension<'_>) -> bool {
    extension.name() == NAME.as_bytes()
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2.1)
fn window_bits(value: Value<'_>) -> Option<u8> {
    let mut digits = value.bytes();
    match (digits.next()?, digits.next(), digits.next()) {
        (ones @ b'8'..=b'9', None, None) => Some(ones - b'0'),
        (b'1', Some(ones @ b'0'..=b'5'), None) => Some(10 + ones - b'0'),
        _ => None,
    }
}

impl DeflateConfig {
    /// The offer that a client with this configuration makes. Default:
    /// `permessage-deflate; client_max_window_bits`.
    pub fn offer(&self) -> Params {
        let client = (self.client_max_window_bits).clamp(OWN_MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        Params {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: limit(self.server_max_window_bits.max(MIN_WINDOW_BITS)),
            client_max_window_bits: Some(client),
        }
    }

    /// Accepts the first offer of a client that this configuration can accept, and returns the
    /// parameters for the response and for the connection. `None` means that the response must not
    /// mention permessage-deflate. Use it for a server whose handshake happens elsewhere;
    /// [`handshake::server`](crate::handshake::server) does it by itself.
    ///
    /// `fields` are the values of all `Sec-WebSocket-Extensions` fields of the request. Other
    /// extensions and invalid offers are skipped.
    ///
    /// ```
    /// use websocket_proto::deflate::DeflateConfig;
    ///
    /// let fields = ["other, permessage-deflate; unknown", "permessage-deflate"];
    /// let params = DeflateConfig::new().accept(fields).expect("a valid offer");
    /// assert_eq!(params.to_string(), "permessage-deflate");
    /// ```
    #[cfg(feature = "deflate")]
    pub fn accept<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> Option<Params> {
        let elements = fields.into_iter().flat_map(|field| list(field.as_bytes()));
        let extensions = elements.filter_map(Extension::parse);
        self.choose(extensions.filter_map(Params::offered))
    }

    /// The response to the first of these offers that a server can accept.
    pub(crate) fn choose(&self, offers: impl IntoIterator<Item = Params>) -> Option<Params> {
        offers.into_iter().find_map(|offer| self.respond(offer))
    }

    /// The response to an offer; `None` declines it.
    fn respond(&self, offer: Params) -> Option<Params> {
        let server = (self.server_max_window_bits).clamp(OWN_MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        let client = (self.client_max_window_bits).clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        Some(Params {
            server_no_context_takeover: offer.server_no_context_takeover
                || self.server_no_context_takeover,
            // A client keeps what it offers about itself, also if the response does not repeat it
            // (§7.1.1.2).
            client_no_context_takeover: offer.client_no_context_takeover
                || self.client_no_context_takeover,
            server_max_window_bits: match offer.server_max_window_bits {
                None => limit(server),
                Some(bits) if bits < OWN_MIN_WINDOW_BITS => return None,
                Some(bits) => Some(bits.min(server)),
            },
            client_max_window_bits: match offer.client_max_window_bits {
                // Such a client cannot be told about a limit (§7.1.2.2).
                None if client < MAX_WINDOW_BITS => return None,
                None => None,
                Some(bits) => limit(bits.min(client)),
            },
        })
    }
}

/// The parameter for a window. The largest window needs none.
fn limit(bits: u8) -> Option<u8> {
    (bits < MAX_WINDOW_BITS).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_offer_is_parsed_like_any_other() {
        let (text, offer) = Params::COMMON_OFFER;
        let parsed = Extension::parse(text).and_then(Params::offered);
        assert_eq!(parsed, Some(offer));
    }
}
