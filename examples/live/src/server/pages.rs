//! The files of the pages. They are a part of the program.
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::App;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! file {
    ($path:literal, $kind:ident, $file:literal) => {
        ($path, $kind, include_str!(concat!("../../page/", $file)))
    };
}

/// Path, content type and text.
const FILES: &[(&str, &str, &str)] = &[
    file!("/", HTML, "index.html"),
    file!("/dashboard", HTML, "dashboard.html"),
    file!("/compare", HTML, "compare.html"),
    file!("/style.css", STYLE, "style.css"),
    file!("/chat.css", STYLE, "chat.css"),
    file!("/dashboard.css", STYLE, "dashboard.css"),
    file!("/compare.css", STYLE, "compare.css"),
    file!("/chat.js", SCRIPT, "chat.js"),
    file!("/compare.js", SCRIPT, "compare.js"),
    file!("/compare-counts.js", SCRIPT, "compare-counts.js"),
    file!("/compare-plot.js", SCRIPT, "compare-plot.js"),
    file!("/compare-transports.js", SCRIPT, "compare-transports.js"),
    file!("/connection.js", SCRIPT, "connection.js"),
    file!("/dashboard.js", SCRIPT, "dashboard.js"),
    file!("/dom.js", SCRIPT, "dom.js"),
    file!("/log.js", SCRIPT, "log.js"),
    file!("/pace.js", SCRIPT, "pace.js"),
    file!("/room.js", SCRIPT, "room.js"),
    file!("/samples.js", SCRIPT, "samples.js"),
    file!("/session.js", SCRIPT, "session.js"),
    file!("/view.js", SCRIPT, "view.js"),
    file!("/words.js", SCRIPT, "words.js"),
];

pub fn routes() -> Router<App> {
    let mut router = Router::new();
    for &(path, kind, text) in FILES {
        let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text));
        let etag = format!("\"{hash}\"");
        router = router.route(
            path,
            get(async move |headers: HeaderMap| file(&headers, kind, text, etag)),
        );
    }
    router
}

/// A browser asks each time, and gets the file again only if the program is another one.
fn file(request: &HeaderMap, kind: &'static str, text: &'static str, etag: String) -> Response {
    let same = request
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known == &*etag);
    let (status, text) = match same {
        true => (StatusCode::NOT_MODIFIED, ""),
        false => (StatusCode::OK, text),
    };
    (
        status,
        [
            (CONTENT_TYPE, kind.into()),
            (CACHE_CONTROL, "no-cache".into()),
            (ETAG, etag),
        ],
        text,
    )
        .into_response()
}
