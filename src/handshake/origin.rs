//! Which web pages may open a connection (RFC 6455 §10.2), and hosts with ports.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::HeadError;

/// The web pages whose scripts a server accepts connections from (RFC 6455 §10.2).
///
/// A browser lets a script of any page connect to any server, and sends the user's cookies along.
/// The `Origin` field, which scripts cannot forge, is the server's only protection: an opening
/// with an origin that is not accepted here is refused with 403.
///
/// An opening *without* an origin is always accepted. Browsers always send one (§4.1, item 8); a
/// program that is not a browser could send any that it likes, so that nothing is gained by
/// asking for it.
///
/// # DNS rebinding
///
/// [`SameOrigin`](Self::SameOrigin) does not protect a server on a private address, such as one of
/// `localhost` or of a home network. An attacker's page has the attacker's name, and lets that name
/// point to the private address later. The browser then connects to the server, and `Host` and
/// `Origin` are both the attacker's name. Name the hosts of such a server with
/// [`hosts`](Self::hosts), or its origins with [`listed`](Self::listed).
///
/// ```
/// use websocket_proto::handshake::server::Origins;
///
/// // Pages that the same host serves.
/// let origins = Origins::default();
/// // Pages that the same host serves, if its name is one of these.
/// let origins = Origins::hosts(["app.example.com", "192.168.1.20:8080"])?;
/// // Pages of these sites, and of no others.
/// let origins = Origins::listed(["https://example.com", "https://example.org:8443"])?;
/// // Any page of the web: for a service that does not look at cookies.
/// let origins = Origins::Any;
/// # Ok::<(), websocket_proto::handshake::HeadError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Origins {
    /// The host and port of the page are those that the request is for.
    ///
    /// Ports are compared after filling in the default: 80 for a page of `http`, 443 for one of
    /// `https`. The schemes are not compared, as a server behind a proxy that ends TLS does not
    /// know its own; a list can insist on `https`.
    #[default]
    SameOrigin,
    /// As [`SameOrigin`](Self::SameOrigin), and the host is one of a list. Made by
    /// [`hosts`](Self::hosts).
    Hosts(HostList),
    /// The origins of a list; made by [`listed`](Self::listed).
    Listed(OriginList),
    /// Every page of the web may connect, with the cookies of its visitors.
    Any,
}

impl Origins {
    /// Accepts these origins, in the form in which browsers send them: `https://example.com`,
    /// with a port where it is not the default of the scheme.
    ///
    /// # Errors
    ///
    /// [`HeadError::InvalidOrigin`], where one is of another form. `null` is refused too: every
    /// sandboxed page sends it, so that it names nobody.
    pub fn listed<I>(origins: I) -> Result<Self, HeadError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let is_origin = |origin: &str| Origin::parse(origin).is_some();
        let origins = collect(origins, is_origin).ok_or(HeadError::InvalidOrigin)?;
        Ok(Self::Listed(OriginList(origins)))
    }

    /// Accepts pages that the same host serves, as [`SameOrigin`](Self::SameOrigin) does, if the
    /// host is one of these: a name or an address, with or without a port. An entry without a port
    /// stands for all ports. Case has no meaning.
    ///
    /// # Errors
    ///
    /// [`HeadError::InvalidHost`] if an entry is not of the form `host` or `host:port`.
    pub fn hosts<I>(hosts: I) -> Result<Self, HeadError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let is_host = |host: &str| split_authority(host).is_some() && !host.ends_with(':');
        let hosts = collect(hosts, is_host).ok_or(HeadError::InvalidHost)?;
        Ok(Self::Hosts(HostList(hosts)))
    }

    /// Whether a page of `origin` may connect to `host`, which has passed [`split_authority`].
    pub(super) fn allow(&self, origin: &str, host: &str) -> bool {
        match (self, Origin::parse(origin)) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::SameOrigin, Some(origin)) => origin.serves(host),
            (Self::Hosts(HostList(list)), Some(origin)) => {
                origin.serves(host)
                    && list
                        .iter()
                        .filter_map(|listed| split_authority(listed))
                        .any(|(host, port)| {
                            origin.host.eq_ignore_ascii_case(host)
                                && port.is_none_or(|port| origin.port == Some(port))
                        })
            }
            (Self::Listed(OriginList(list)), Some(origin)) => list
                .iter()
                .filter_map(|listed| Origin::parse(listed))
                .any(|listed| origin.is_same(&listed)),
        }
    }
}

/// A list of origins that is cheap to clone, for [`Origins::listed`].
///
/// ```
/// use websocket_proto::handshake::server::Origins;
///
/// let Origins::Listed(list) = Origins::listed(["https://example.com"])? else { unreachable!() };
/// assert_eq!(list.iter().collect::<Vec<_>>(), ["https://example.com"]);
/// # Ok::<(), websocket_proto::handshake::HeadError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OriginList(Arc<[Box<str>]>);

impl OriginList {
    /// The origins as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|origin| &**origin)
    }
}

/// A list of hosts that is cheap to clone, for [`Origins::hosts`].
#[derive(Debug, Clone)]
pub struct HostList(Arc<[Box<str>]>);

impl HostList {
    /// The hosts as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|host| &**host)
    }
}

/// The items, or `None` if one of them is not valid.
fn collect<I>(items: I, is_valid: impl Fn(&str) -> bool) -> Option<Arc<[Box<str>]>>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let items = items.into_iter().map(|item| {
        let item = item.as_ref();
        is_valid(item).then(|| Box::from(item))
    });
    items.collect::<Option<Vec<_>>>().map(Into::into)
}

/// A serialised origin in its parts (RFC 6454 §6.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    /// The port, also where it is the default one.
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    pub(super) fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme {
            return None;
        }
        let (host, port) = split_authority(authority)?;
        let mut origin = Self { scheme, host, port };
        origin.port = port.or(origin.default_port());
        Some(origin)
    }

    fn default_port(&self) -> Option<u16> {
        if self.scheme.eq_ignore_ascii_case("http") {
            Some(80)
        } else if self.scheme.eq_ignore_ascii_case("https") {
            Some(443)
        } else {
            None
        }
    }

    /// Whether this is the origin of pages that `host` serves.
    fn serves(&self, host: &str) -> bool {
        let default = self.default_port();
        split_authority(host).is_some_and(|(host, port)| {
            default.is_some()
                && self.host.eq_ignore_ascii_case(host)
                && self.port == port.or(default)
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
    }
}

/// The host and the port of `uri-host [ ":" port ]` (RFC 9110 §7.2), or `None` where it is not
/// that. There is no user information in it, and of the characters of a `reg-name` (RFC 3986
/// §3.2.2) it takes those that names of hosts are made of.
pub(super) fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = match authority.strip_prefix('[') {
        Some(literal) => {
            let end = literal.find(']')?;
            let is_literal = !literal[..end].is_empty()
                && literal[..end]
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            if !is_literal {
                return None;
            }
            end + 2
        }
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    let is_host = host.starts_with('[')
        || !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
    if !is_host {
        return None;
    }
    let port = match rest.strip_prefix(':') {
        // `port = *DIGIT`: an empty one is the default.
        Some("") => None,
        // `parse` alone would take a sign.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        _ => return None,
    };
    Some((host, port))
}
