//! The other doors of the handshakes: values, the types of the crate `http`, and CONNECT.

use bytes::Bytes;
use websocket_proto::{
    Config, Seed,
    handshake::{
        self, Header,
        client::{self, ResponseError},
        server::{Accept, Origins, Reject, RequestError},
        values::{self, Connect, Upgrade},
    },
};

/// What a client asks for at each door.
pub(crate) fn client_request() -> client::Request<'static> {
    client::Request::new("ws://example.com/")
        .expect("a URL")
        .subprotocol("chat")
}

/// A whole head as text, split in the simplest way.
pub(crate) struct Head<'h> {
    start: [&'h str; 3],
    fields: Vec<(&'h str, &'h str)>,
}

impl<'h> Head<'h> {
    /// `None` if the head is not complete, within the limits, and text.
    pub(crate) fn split(stream: &'h [u8], config: Config) -> Option<Self> {
        let text = core::str::from_utf8(stream).ok()?;
        let (head, _) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let mut parts = lines.next()?.splitn(3, ' ');
        let start = [parts.next()?, parts.next()?, parts.next()?];
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name, value.trim_matches([' ', '\t'])))
        });
        let fields = fields.collect::<Option<Vec<_>>>()?;
        // Values count as if a space was between each name and its value.
        let fields_len = fields
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4);
        let values_len = text.find("\r\n")? + 4 + fields_len.sum::<usize>();
        let is_within = values_len.max(head.len() + 4) <= config.max_head_size
            && fields.len() <= config.max_headers.min(128);
        is_within.then_some(Self { start, fields })
    }

    fn headers(&self) -> impl Iterator<Item = Header<'h>> {
        self.fields.iter().map(|&(name, value)| Header {
            name,
            value: value.as_bytes(),
        })
    }

    fn version(text: &str) -> Option<(u8, u8)> {
        match text.strip_prefix("HTTP/")?.as_bytes() {
            [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
            _ => None,
        }
    }

    /// The first field of this name.
    fn field(&self, name: &str) -> Option<&'h str> {
        let mut fields = self.fields.iter();
        fields.find_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(*value))
    }

    /// The same head without the fields that a CONNECT does not have.
    fn of_connect(&self) -> Self {
        let names = [
            "upgrade",
            "connection",
            "transfer-encoding",
            "sec-websocket-key",
            "sec-websocket-accept",
        ];
        let fields = self.fields.iter().copied();
        Self {
            start: self.start,
            fields: fields
                .filter(|(name, _)| !names.contains(&name.to_ascii_lowercase().as_str()))
                .collect(),
        }
    }

    fn upgrade(&self, version: (u8, u8)) -> Upgrade<'h> {
        let [method, target, _] = self.start;
        Upgrade {
            method,
            target,
            version,
        }
    }

    /// The values give the same verdict as the bytes, but for the syntax that only bytes have.
    pub(crate) fn check_values(&self, config: Config, error: Option<RequestError>) {
        let [.., version] = self.start;
        let Some(version) = Self::version(version) else {
            return;
        };
        let check = || {
            let upgrade = self.upgrade(version);
            upgrade.check(self.headers(), &Origins::SameOrigin, config)
        };
        let result = check();
        let refused = result.as_ref().err().map(|refusal| refusal.error());
        if !matches!(error, Some(RequestError::Http(_))) {
            assert_eq!(refused, error);
        }
        self.decide(result, check().ok(), 101);
    }

    /// Accepts a valid request with its last subprotocol, and rejects it, too.
    fn decide(
        &self,
        result: Result<values::Pending, values::Refusal>,
        again: Option<values::Pending>,
        status: u16,
    ) {
        let pending = match result {
            Ok(pending) => pending,
            Err(refusal) => {
                let response = refusal.response();
                assert!(response.status() >= 400);
                let status = response.status();
                return converted(response, status);
            }
        };
        let lists = self
            .fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Protocol"));
        let names = lists.flat_map(|(_, list)| list.split(','));
        let names: Vec<_> = names
            .map(|name| name.trim_matches([' ', '\t']))
            .filter(|name| !name.is_empty())
            .collect();
        assert!(pending.subprotocols().eq(names.iter().copied()));
        assert!(names.iter().all(|name| pending.offers(name)) && !pending.offers("not offered"));
        let accept = match names.last() {
            Some(name) => Accept::new().subprotocol(name),
            None => Accept::new(),
        };
        let (_, response) = pending.accept(accept).expect("nothing to refuse");
        converted(response, status);
        let reject = Reject::new(403).header("X", "y").body(b"no");
        let again = again.expect("the same verdict as before");
        converted(again.reject(reject).expect("nothing to refuse"), 403);
    }

    /// The types of the crate `http` give the same verdict, if they can hold the head.
    pub(crate) fn check_http(&self, config: Config) {
        let [method, target, _] = self.start;
        let request = http::Request::builder().method(method).uri(target);
        let Ok(request) = self.with_fields(request).body(()) else {
            return;
        };
        let origins = Origins::SameOrigin;
        let result = handshake::http::check(&request, None, &origins, config);
        // `http` normalises the target.
        let uri = request.uri().to_string();
        if uri == target {
            let values = self.upgrade((1, 1));
            let values = values.check(self.headers(), &origins, config);
            assert_eq!(result.is_ok(), values.is_ok());
        }
    }

    fn with_fields(&self, request: http::request::Builder) -> http::request::Builder {
        let fields = self.fields.iter();
        fields.fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
    }

    /// The same fields with pseudo-header fields in front.
    pub(crate) fn check_connect(&self, config: Config) {
        let [method, target, _] = self.start;
        let head = self.of_connect();
        let origins = Origins::SameOrigin;
        for method in [method, "CONNECT"] {
            let connect = Connect {
                method,
                protocol: Some(self.field("Upgrade").unwrap_or("websocket")),
                scheme: Some(self.field("X").unwrap_or("https")),
                authority: self.field("Host"),
                path: Some(target),
            };
            let check = || connect.check(head.headers(), &origins, config);
            let (result, again) = (check(), check());
            let errors = [&result, &again].map(|it| it.as_ref().err().map(|it| it.error()));
            assert_eq!(errors[0], errors[1]);
            assert!(method == "CONNECT" || result.is_err());
            head.decide(result, again.ok(), 200);
            let request = http::Request::builder().method(method);
            head.check_http_connect(request, connect, config);
        }
    }

    /// The types of the crate `http` give the same verdict, if they hold the same values.
    fn check_http_connect(
        &self,
        request: http::request::Builder,
        connect: Connect<'_>,
        config: Config,
    ) {
        let [scheme, authority, path] = [connect.scheme, connect.authority, connect.path];
        let (Some(scheme), Some(authority), Some(path)) = (scheme, authority, path) else {
            return;
        };
        let request = request.version(http::Version::HTTP_2);
        let request = request.uri(format!("{scheme}://{authority}{path}"));
        let Ok(request) = self.with_fields(request).body(()) else {
            return;
        };
        let uri = request.uri();
        let seen = (
            uri.scheme_str(),
            uri.authority().map(|it| it.as_str()),
            uri.path_and_query().map(|it| it.as_str()),
        );
        let origins = Origins::SameOrigin;
        assert!(handshake::http::check(&request, None, &origins, config).is_err());
        if seen == (Some(scheme), Some(authority), Some(path)) {
            let result = handshake::http::check(&request, connect.protocol, &origins, config);
            let values = connect.check(self.headers(), &origins, config);
            assert_eq!(result.is_ok(), values.is_ok());
        }
    }

    /// The values of a response give the same verdict as its bytes, and the types of the crate `http`
    /// as the values. So does the response to a CONNECT.
    pub(crate) fn check_response(
        &self,
        config: Config,
        seen: &Result<Option<(u16, String)>, ResponseError>,
    ) {
        let [version, status, _] = self.start;
        let (Some(version), Ok(status)) = (Self::version(version), status.parse::<u16>()) else {
            return;
        };
        let result = self.finish(values::Handshake::upgrade, version, status, config);
        for status in [status, 200] {
            let head = self.of_connect();
            let opened = head.finish(values::Handshake::connect, (2, 0), status, config);
            assert!(status == 200 || opened != Ok(true));
        }
        // An interim response is not the last one.
        if (100..200).contains(&status) && status != 101 {
            return;
        }
        match (seen, result) {
            (Err(ResponseError::Http(_)), _) => {}
            (Err(error), result) => assert_eq!(Some(*error), result.err()),
            (Ok(Some((status, _))), result) => assert_eq!(result, Ok(*status == 101)),
            (Ok(None), _) => unreachable!("the head is complete"),
        }
    }

    /// Sends a request, and gets these values as its response. Returns whether the connection is open.
    fn finish(
        &self,
        start: Start,
        version: (u8, u8),
        status: u16,
        config: Config,
    ) -> Result<bool, ResponseError> {
        let start = || start(&client_request(), Seed::from([7; 32]), config).expect("a request");
        let (handshake, sent) = start();
        let (method, count) = (sent.method(), sent.fields().count());
        let request = http::Request::try_from(sent.clone()).expect("the same values");
        assert_eq!(
            (request.method().as_str(), request.headers().len()),
            (method, count)
        );
        assert_eq!(
            request.uri().to_string(),
            format!("http://{}{}", sent.authority(), sent.target())
        );
        assert_eq!(
            request.version() == http::Version::HTTP_2,
            sent.protocol().is_some()
        );
        let result = handshake.finish(version, status, self.headers());
        let result = result.map(|ws| ws.is_some());
        let number = match version {
            (1, 0) => http::Version::HTTP_10,
            (1, 1) => http::Version::HTTP_11,
            (2, 0) => http::Version::HTTP_2,
            _ => return result,
        };
        let response = http::Response::builder().status(status).version(number);
        let fields = self.fields.iter();
        let response = fields.fold(response, |response, (name, value)| {
            response.header(*name, *value)
        });
        if let Ok(response) = response.body(()) {
            let finished = handshake::http::finish(start().0, &response);
            assert_eq!(finished.map(|ws| ws.is_some()), result);
        }
        result
    }
}

/// `upgrade` or `connect`.
type Start = fn(
    &handshake::client::Request<'_>,
    Seed,
    Config,
) -> Result<(values::Handshake, values::Request), handshake::HeadError>;

/// The crate `http` can hold the response, which has this status.
fn converted(response: values::Response, status: u16) {
    let (count, body) = (response.fields().count(), response.body().clone());
    let response = http::Response::<Bytes>::try_from(response).expect("a valid response");
    assert_eq!(response.status(), status);
    assert_eq!((response.headers().len(), response.body()), (count, &body));
}
