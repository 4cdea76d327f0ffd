//! What the two ends agree on in the opening (RFC 7692 §5, §7.1).

use core::fmt;

use super::DeflateConfig;
use crate::grammar::{Extension, Value};
#[cfg(feature = "deflate")]
use crate::grammar::{list, sole};

/// The name of the extension (RFC 7692 §7).
const NAME: &str = "permessage-deflate";

/// A window has 256 bytes to 32 KiB (§7.1.2). That of our own compressor has 512 at least, as zlib
/// cannot do with less.
pub(super) const MAX_WINDOW_BITS: u8 = 15;
pub(super) const MIN_WINDOW_BITS: u8 = 8;
pub(super) const OWN_MIN_WINDOW_BITS: u8 = 9;

/// The parameters of permessage-deflate: those that an offer names, or those that were agreed on
/// (RFC 7692 §7.1).
///
/// Each speaks of one compressor: `server_*` of the server's, `client_*` of the client's. As text
/// it is an element of `Sec-WebSocket-Extensions`. (An answer that was written by hand has no
/// `client_max_window_bits` of 15, which would be sent without a value; what
/// [`DeflateConfig::accept`] returns has none.)
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
///     "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; \
///      client_max_window_bits"
/// );
/// # }
/// ```
// Exhaustive: the RFC defines these four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Params {
    /// The server compresses each message on its own (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message on its own (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The server's window is of at most two to the power of this many bytes, 8 to 15 (§7.1.2.1).
    /// `None` says nothing, which means 15.
    pub server_max_window_bits: Option<u8>,
    /// The same for the client (§7.1.2.2). In an offer it says that the server may limit the
    /// window; 15 is then sent without a value.
    pub client_max_window_bits: Option<u8>,
}

/// An element of `Sec-WebSocket-Extensions` (RFC 7692 §7.1).
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

/// The server's answer agrees to none of the client's offers: the client must fail the opening.
///
/// ```
/// use websocket_proto::deflate::{AnswerError, DeflateConfig, Params};
///
/// let offer = DeflateConfig::new().offer();
/// let answer = "permessage-deflate; server_max_window_bits=16";
/// assert_eq!(Params::agree(&[offer], answer), Err(AnswerError));
/// ```
// Exhaustive: a client does the same whatever the mistake.
#[cfg(feature = "deflate")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the server's answer agrees to none of the offers (RFC 7692 §5.1, §7.1)")]
pub struct AnswerError;

impl Params {
    /// What a client and its server agree on, where the opening happens elsewhere: `answer` is the
    /// value of `Sec-WebSocket-Extensions` in the response to these `offers`, the preferred one
    /// first. Agreed is what the answer says, and what the client has promised by its offer.
    ///
    /// # Errors
    ///
    /// [`AnswerError`], where the answer is another extension, more than one, or one that agrees
    /// to none of the offers.
    ///
    /// ```
    /// use websocket_proto::deflate::{DeflateConfig, Params};
    ///
    /// // The client asks.
    /// let offer = DeflateConfig::new().offer();
    /// let request = offer.to_string();
    ///
    /// // The server answers.
    /// let mut config = DeflateConfig::new();
    /// config.client_max_window_bits = 12;
    /// let server = config.accept([request.as_str()]).expect("it is acceptable");
    /// let response = server.to_string();
    /// assert_eq!(response, "permessage-deflate; client_max_window_bits=12");
    ///
    /// // The client verifies the answer.
    /// let client = Params::agree(&[offer], &response)?;
    /// assert_eq!(client, server);
    /// # Ok::<(), websocket_proto::deflate::AnswerError>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn agree(offers: &[Self], answer: &str) -> Result<Self, AnswerError> {
        let answer = sole(list(answer.as_bytes()))
            .and_then(Extension::parse)
            .filter(|it| is_deflate(*it));
        let agreed = answer.and_then(|answer| Self::answered(offers, answer));
        agreed.ok_or(AnswerError)
    }

    /// What an answer of this name and the first offer that it fits come to. An answer does not say
    /// which offer it means; the first is the one that the server should take (§5).
    pub(crate) fn answered(offers: &[Self], answer: Extension<'_>) -> Option<Self> {
        let answer = Self::parse(answer, None)?;
        offers.iter().find_map(|offer| offer.agreed(answer))
    }

    /// What this offer and the answer to it come to; `None` where it is no answer to this one.
    fn agreed(self, answer: Self) -> Option<Self> {
        // "A server accepts an extension negotiation offer that includes the
        // "server_no_context_takeover" extension parameter by including [it]" (§7.1.1.1).
        let takeover = answer.server_no_context_takeover || !self.server_no_context_takeover;
        // "... by including the "server_max_window_bits" extension parameter in the extension
        // negotiation response [...] with the same or smaller value as the offer" (§7.1.2.1).
        let server = self.server_max_window_bits.is_none_or(|max| {
            answer
                .server_max_window_bits
                .is_some_and(|bits| bits <= max)
        });
        // "If a received extension negotiation offer doesn't have the "client_max_window_bits"
        // extension parameter, the corresponding extension negotiation response to the offer MUST
        // NOT include the "client_max_window_bits" extension parameter." (§7.1.2.2)
        let client = answer
            .client_max_window_bits
            .is_none_or(|bits| self.client_max_window_bits.is_some_and(|max| bits <= max));
        // "even if the server doesn't include the "client_no_context_takeover" extension parameter
        // in the corresponding extension negotiation response to the offer, the client is not
        // going to use context takeover" (§7.1.1.2); the same goes for a window (§7.1.2.2).
        let promised = self.client_max_window_bits.and_then(limit);
        (takeover && server && client).then_some(Self {
            client_no_context_takeover: answer.client_no_context_takeover
                || self.client_no_context_takeover,
            client_max_window_bits: answer.client_max_window_bits.or(promised),
            ..answer
        })
    }

    /// Whether this can be offered: the windows exist, and the client's is not too small for it.
    pub(crate) fn is_offerable(&self) -> bool {
        let within =
            |bits: Option<u8>, min| bits.is_none_or(|bits| (min..=MAX_WINDOW_BITS).contains(&bits));
        within(self.server_max_window_bits, MIN_WINDOW_BITS)
            && within(self.client_max_window_bits, OWN_MIN_WINDOW_BITS)
    }

    /// A valid offer of permessage-deflate; `None` for every other element of the list.
    pub(crate) fn offered(extension: Extension<'_>) -> Option<Self> {
        is_deflate(extension).then(|| Self::parse(extension, Some(MAX_WINDOW_BITS)))?
    }

    /// The parameters, unless there is one "not defined for use" in this place, one "with an
    /// invalid value", or "multiple extension parameters with the same name" (§7). A
    /// `client_max_window_bits` without a value stands for `bare`.
    fn parse(extension: Extension<'_>, bare: Option<u8>) -> Option<Self> {
        let mut params = Self::default();
        for (name, value) in extension.params() {
            let doubled = match (name, value) {
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
            if doubled {
                return None;
            }
        }
        Some(params)
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
    /// The offer of a client with this configuration; by default
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

    /// What a server with this configuration agrees to: its answer to the first offer that it can
    /// accept. `None` answers with no extension.
    ///
    /// Each of the `fields` is the value of one `Sec-WebSocket-Extensions` of the request. Other
    /// extensions and offers that are not valid are skipped.
    ///
    /// ```
    /// use websocket_proto::deflate::DeflateConfig;
    ///
    /// let fields = ["x-other, permessage-deflate; unknown", "permessage-deflate"];
    /// let params = DeflateConfig::new().accept(fields).expect("the third is fine");
    /// assert_eq!(params.to_string(), "permessage-deflate");
    /// ```
    #[cfg(feature = "deflate")]
    pub fn accept<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> Option<Params> {
        let elements = fields.into_iter().flat_map(|field| list(field.as_bytes()));
        let extensions = elements.filter_map(Extension::parse);
        self.choose(extensions.filter_map(Params::offered))
    }

    /// The answer to the first of these offers that a server can accept.
    pub(crate) fn choose(&self, offers: impl IntoIterator<Item = Params>) -> Option<Params> {
        offers.into_iter().find_map(|offer| self.answer(offer))
    }

    /// The answer to an offer; `None` declines it.
    fn answer(&self, offer: Params) -> Option<Params> {
        let server = (self.server_max_window_bits).clamp(OWN_MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        let client = (self.client_max_window_bits).clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        Some(Params {
            server_no_context_takeover: offer.server_no_context_takeover
                || self.server_no_context_takeover,
            // What a client offers to do it does, whatever the answer (§7.1.1.2).
            client_no_context_takeover: offer.client_no_context_takeover
                || self.client_no_context_takeover,
            server_max_window_bits: match offer.server_max_window_bits {
                None => limit(server),
                Some(bits) if bits < OWN_MIN_WINDOW_BITS => return None,
                Some(bits) => Some(bits.min(server)),
            },
            client_max_window_bits: match offer.client_max_window_bits {
                // The answer must be silent (§7.1.2.2): the client would not know of a limit.
                None if client < MAX_WINDOW_BITS => return None,
                None => None,
                Some(bits) => limit(bits.min(client)),
            },
        })
    }
}

/// A window as it is negotiated: nothing is said of the largest one.
fn limit(bits: u8) -> Option<u8> {
    (bits < MAX_WINDOW_BITS).then_some(bits)
}
