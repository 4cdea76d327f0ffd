//! The request target (RFC 9112 §3.2).

use super::origin::{split_authority, split_scheme};
use crate::meter;

/// A request target in origin form or in absolute form (RFC 9112 §3.2.1, §3.2.2).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Target<'b> {
    /// Host and port, in absolute form only.
    pub(super) authority: Option<&'b [u8]>,
    /// Path and query.
    pub(super) resource: &'b [u8],
}

impl<'b> Target<'b> {
    /// `None` if this is no target of a handshake.
    pub(super) fn parse(target: &'b [u8]) -> Option<Self> {
        meter::bytes(target.len());
        // Browsers do not encode some characters that RFC 3986 requires to be encoded, such as `|`
        // and `[`.
        // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be
        // used on these URIs" (RFC 6455 §3).
        if !target.iter().all(|&b| b.is_ascii_graphic() && b != b'#') {
            return None;
        }
        let target = Self::split(target)?;
        if let Some(authority) = target.authority {
            split_authority(authority)?;
        }
        Some(target)
    }

    /// Splits a target that is known to be valid.
    pub(super) fn split(target: &'b [u8]) -> Option<Self> {
        if target.starts_with(b"/") {
            return Some(Self {
                authority: None,
                resource: target,
            });
        }
        // "a server MUST accept the absolute-form in requests even though most HTTP/1.1 clients
        // will only send the absolute-form to a proxy" (RFC 9112 §3.2.2).
        let (scheme, rest) = split_scheme(target)?;
        ["http", "https", "ws", "wss"]
            .iter()
            .find(|known| known.as_bytes().eq_ignore_ascii_case(scheme))?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
        let (authority, resource) = rest.split_at(end.unwrap_or(rest.len()));
        Some(Self {
            authority: Some(authority),
            resource,
        })
    }
}
