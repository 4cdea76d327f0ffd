//! Which web pages may connect (RFC 6455 §10.2), and the syntax of origins and hosts.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::HeadError;
use crate::grammar::host_name_len;

/// Decides which web pages may connect to a server (RFC 6455 §10.2).
///
/// A browser lets a script of any page connect to any server, and sends the cookies of the user for
/// that server. The `Origin` field names the page, and scripts cannot change it. A request whose
/// origin is not accepted is refused with 403.
///
/// A request without `Origin` is always accepted. Browsers always send the field (§4.1, item 8).
/// Programs that are not browsers can send any value, so requiring one from them protects nothing.
///
/// ```
/// use websocket_proto::handshake::server::Origins;
///
/// // Pages of the same host.
/// let origins = Origins::SameOrigin;
/// // Pages of the same host, which must be one of these.
/// let origins =
///     Origins::hosts(["app.example.com", "192.168.1.20:8080"])?;
/// // Pages of these origins.
/// let origins =
///     Origins::listed(["https://example.com", "https://example.org:8443"])?;
/// // All pages, for a service that uses no cookies.
/// let origins = Origins::Any;
/// # Ok::<(), websocket_proto::handshake::HeadError>(())
/// ```
///
/// # DNS rebinding
///
/// [`SameOrigin`](Self::SameOrigin) does not protect a server on a private address, such as
/// `localhost` or a device in a home network. An attacker can serve a page from a name of their
/// own, and then change the address of that name to the private one. The script of the page then
/// reaches the server through the browser of a user, and both `Host` and `Origin` contain the name
/// of the attacker.
///
/// Use [`hosts`](Self::hosts) or [`listed`](Self::listed) for such a server. Both refuse names that
/// are not in their list.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Origins {
    /// Accepts a page if its host and port are those of the request. This is
    /// `Origins::default()`, and the right choice for a server on a public address.
    ///
    /// A port that is left out counts as 80 if the page uses `http`, and as 443 if it uses `https`.
    /// The schemes are not compared, because a server behind a proxy that ends TLS does not know
    /// its own. Use [`listed`](Self::listed) to require `https`.
    ///
    /// It does not protect a server on a private address: see [DNS rebinding](Self#dns-rebinding).
    #[default]
    SameOrigin,
    /// Accepts a page if [`SameOrigin`](Self::SameOrigin) does and its host is in the list. Made by
    /// [`hosts`](Self::hosts).
    Hosts(HostList),
    /// Accepts a page if its origin is in the list. Made by [`listed`](Self::listed).
    Listed(OriginList),
    /// Accepts all pages. Each of them can connect with the cookies of its visitors.
    Any,
}

impl Origins {
    /// Accepts pages of the same host, as [`SameOrigin`](Self::SameOrigin) does, if that host is
    /// one of these. Use it for a server on a private address.
    ///
    /// An entry is a name or an address, such as `example.com` or `[::1]`. Case is ignored. An
    /// entry with a port, such as `example.com:8443`, accepts that port only. An entry without a
    /// port accepts all ports.
    ///
    /// # Errors
    ///
    /// [`HeadError::InvalidHost`] if an entry has another form.
    pub fn hosts<I>(hosts: I) -> Result<Self, HeadError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        // An empty port is valid in a `Host` field. Here it is more likely a mistake.
        let is_host = |host: &[u8]| split_authority(host).is_some() && !host.ends_with(b":");
        let hosts = collect(hosts, is_host).ok_or(HeadError::InvalidHost)?;
        Ok(Self::Hosts(HostList(hosts)))
    }

    /// Accepts pages of these origins, in the form in which browsers send them:
    /// `https://example.com`, or `https://example.com:8443` if the port is not the default of the
    /// scheme. Case is ignored.
    ///
    /// # Errors
    ///
    /// [`HeadError::InvalidOrigin`] if an entry has another form. `null` is an error too, because
    /// it does not name a page: all sandboxed pages send it.
    pub fn listed<I>(origins: I) -> Result<Self, HeadError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let is_origin = |origin: &[u8]| Origin::parse(origin).is_some();
        let origins = collect(origins, is_origin).ok_or(HeadError::InvalidOrigin)?;
        Ok(Self::Listed(OriginList(origins)))
    }

    /// Whether a page of `origin` may connect to `host`, which has passed [`split_authority`].
    pub(super) fn allow(&self, origin: &[u8], host: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::SameOrigin => is_same_host(origin, host),
            Self::Hosts(list) => {
                let is_within = |origin: Origin<'_>| list.iter().any(|it| origin.is_within(it));
                is_same_host(origin, host) && Origin::parse(origin).is_some_and(is_within)
            }
            Self::Listed(list) => Origin::parse(origin).is_some_and(|origin| {
                let mut listed = list.iter().filter_map(|it| Origin::parse(it.as_bytes()));
                listed.any(|listed| origin.is_same(&listed))
            }),
        }
    }
}

/// Whether this is an origin of `host`, which has passed [`split_authority`].
fn is_same_host(origin: &[u8], host: &[u8]) -> bool {
    let https = origin.strip_prefix(b"https://");
    match https.or_else(|| origin.strip_prefix(b"http://")) {
        // What browsers send: they leave the same ports out of both fields.
        Some(authority) if authority.eq_ignore_ascii_case(host) => true,
        _ => Origin::parse(origin).is_some_and(|origin| origin.is_of(host)),
    }
}

/// A list of origins, made by [`Origins::listed`]. Cheap to clone.
///
/// ```
/// use websocket_proto::handshake::server::Origins;
///
/// let origins = Origins::listed(["https://example.com"])?;
/// let Origins::Listed(list) = origins else { unreachable!() };
/// assert_eq!(list.iter().collect::<Vec<_>>(), ["https://example.com"]);
/// # Ok::<(), websocket_proto::handshake::HeadError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OriginList(Arc<[Box<str>]>);

impl OriginList {
    /// The origins as given to [`Origins::listed`].
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|origin| &**origin)
    }
}

/// A list of hosts, made by [`Origins::hosts`]. Cheap to clone.
///
/// ```
/// use websocket_proto::handshake::server::Origins;
///
/// let origins = Origins::hosts(["localhost:8080"])?;
/// let Origins::Hosts(list) = origins else { unreachable!() };
/// assert_eq!(list.iter().collect::<Vec<_>>(), ["localhost:8080"]);
/// # Ok::<(), websocket_proto::handshake::HeadError>(())
/// ```
#[derive(Debug, Clone)]
pub struct HostList(Arc<[Box<str>]>);

impl HostList {
    /// The hosts as given to [`Origins::hosts`].
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|host| &**host)
    }
}

/// Collects the items; `None` if one of them is not valid.
fn collect<I>(items: I, is_valid: impl Fn(&[u8]) -> bool) -> Option<Arc<[Box<str>]>>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let items = items.into_iter().map(|item| {
        let item = item.as_ref();
        is_valid(item.as_bytes()).then(|| Box::from(item))
    });
    items.collect::<Option<Vec<_>>>().map(Into::into)
}

/// The parts of a serialised origin (RFC 6454 §6.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
    /// The port, or the default of the scheme if it has one.
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    pub(super) fn parse(origin: &'a [u8]) -> Option<Self> {
        let (scheme, authority) = split_scheme(origin)?;
        let is_scheme = scheme.first()?.is_ascii_alphabetic()
            && scheme
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
        if !is_scheme {
            return None;
        }
        let (host, port) = split_authority(authority)?;
        let mut origin = Self { scheme, host, port };
        origin.port = port.or(origin.default_port());
        Some(origin)
    }

    fn default_port(&self) -> Option<u16> {
        if self.scheme.eq_ignore_ascii_case(b"http") {
            Some(80)
        } else if self.scheme.eq_ignore_ascii_case(b"https") {
            Some(443)
        } else {
            None
        }
    }

    /// Whether this is an origin of `host`, which has passed [`split_authority`].
    fn is_of(&self, host: &[u8]) -> bool {
        let default = self.default_port();
        split_authority(host).is_some_and(|(host, port)| {
            default.is_some()
                && self.host.eq_ignore_ascii_case(host)
                && self.port == port.or(default)
        })
    }

    /// Whether an entry of a [`HostList`] names the host and port.
    fn is_within(&self, entry: &str) -> bool {
        split_authority(entry.as_bytes()).is_some_and(|(host, port)| {
            self.host.eq_ignore_ascii_case(host) && (port.is_none() || self.port == port)
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
    }
}

/// Splits `scheme "://" rest`. A scheme contains no colon.
pub(super) fn split_scheme(uri: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = uri.split_at(uri.iter().position(|&byte| byte == b':')?);
    Some((scheme, rest.strip_prefix(b"://")?))
}

/// Splits `uri-host [ ":" port ]` (RFC 9110 §7.2); `None` if it has another form. User information
/// is not allowed. A `reg-name` (RFC 3986 §3.2.2) can only contain the characters of host names and
/// `%`.
pub(super) fn split_authority(authority: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let len = match authority {
        [b'[', literal @ ..] => {
            let len = literal.iter().take_while(|&&byte| is_literal(byte)).count();
            if len == 0 || literal.get(len) != Some(&b']') {
                return None;
            }
            len + 2
        }
        name => host_name_len(name),
    };
    let (host, rest) = authority.split_at(len);
    let port = match rest {
        // `port = *DIGIT`: an empty port means the default.
        [] | [b':'] => None,
        [b':', digits @ ..] => Some(digits.iter().try_fold(0_u16, |port, digit| {
            let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
            port.checked_mul(10)?.checked_add(digit.into())
        })?),
        _ => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

const fn is_literal(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The comparison of the whole text gives the same as that of the parts.
    #[test]
    fn an_origin_is_of_the_same_host_either_way() {
        let authorities = [
            "example.com",
            "EXAMPLE.com",
            "example.com:",
            "example.com:80",
            "example.com:443",
            "example.com:0080",
            "example.com:8080",
            "other.com",
            "[::1]",
            "[::1]:80",
            "a%",
            "",
            "a b",
            ":80",
            "user@example.com",
            "example.com/",
            "null",
        ];
        let mut same = 0;
        for host in authorities {
            if split_authority(host.as_bytes()).is_none() {
                continue;
            }
            for authority in authorities {
                for scheme in ["http://", "https://", "HTTPS://", "ftp://", "http:/", ""] {
                    let origin = [scheme, authority].concat();
                    let (origin, host) = (origin.as_bytes(), host.as_bytes());
                    let plain = Origin::parse(origin).is_some_and(|origin| origin.is_of(host));
                    assert_eq!(is_same_host(origin, host), plain, "{authority} {host:?}");
                    same += u32::from(plain);
                }
            }
        }
        assert!(same > 30);
    }
}
