//! The request target (RFC 9112 §3.2).

use super::origin::split_authority;

/// A request target in origin form or in absolute form (RFC 9112 §3.2.1, §3.2.2).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Target<'b> {
    /// Host and port, in absolute form only.
    pub(super) authority: Option<&'b str>,
    /// Path and query.
    pub(super) resource: &'b str,
}

impl<'b> Target<'b> {
    pub(super) fn parse(target: &'b [u8]) -> Option<Self> {
        // Browsers do not encode some characters that RFC 3986 requires to be encoded, such as `|`
        // and `[`.
        // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be
        // used on these URIs" (RFC 6455 §3).
        if !target.iter().all(|&b| b.is_ascii_graphic() && b != b'#') {
            return None;
        }
        let target = core::str::from_utf8(target).ok()?;
        if target.starts_with('/') {
            return Some(Self {
                authority: None,
                resource: target,
            });
        }
        // "a server MUST accept the absolute-form in requests even though most HTTP/1.1 clients
        // will only send the absolute-form to a proxy" (RFC 9112 §3.2.2).
        let (scheme, rest) = target.split_once("://")?;
        ["http", "https", "ws", "wss"]
            .iter()
            .find(|known| known.eq_ignore_ascii_case(scheme))?;
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        split_authority(authority)?;
        Some(Self {
            authority: Some(authority),
            resource,
        })
    }
}
