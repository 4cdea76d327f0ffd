//! The HTTP side of the chat: `POST /token`, and `GET /chat` up to the 101.
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use websocket_proto::handshake::http::check;

use super::limits::Full;
use super::protocol::{Code, Refusal, read_name};
use super::session::{Session, run};
use super::token::{TokenError, VALID};
use crate::broker::BrokerError;
use crate::server::App;
use crate::server::metrics::Reason;
use crate::server::upgrade::upgrade;

/// `POST /token` and `GET /chat`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/token", post(token))
        .route("/chat", get(chat))
}

async fn token(State(app): State<App>, body: Bytes) -> Response {
    let answer = |status, body: serde_json::Value| {
        let fields = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-store"),
        ];
        (status, fields, body.to_string()).into_response()
    };
    let text =
        str::from_utf8(&body).map_err(|_| Refusal::new(Code::BadJson, "the body is not UTF-8"));
    let user = match text.and_then(read_name) {
        Ok(user) => user,
        Err(refusal) => return answer(StatusCode::BAD_REQUEST, json!({ "error": refusal.reason })),
    };
    match app.chat.tokens.issue(&user, SystemTime::now()) {
        Ok(token) => {
            let expires_in = VALID.as_secs();
            answer(
                StatusCode::OK,
                json!({ "token": token, "user": user, "expires_in": expires_in }),
            )
        }
        Err(error) => {
            tracing::error!(%error, "token");
            answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({ "error": "no random numbers" }),
            )
        }
    }
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    token: String,
}

async fn chat(
    State(app): State<App>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    request: Request,
) -> Response {
    let handshake = check(&request, None, &app.origins, app.config).is_ok();
    match admit(&app, parameters, handshake).await {
        Ok(session) => upgrade(request, &app.origins, app.config, move |socket| {
            run(socket, session)
        }),
        Err(refused) => {
            let reason = refused.label();
            app.metrics.refused.get_or_create(&Reason { reason }).inc();
            tracing::debug!(reason, "refused"); // never the token, nor the URL that has it
            if let Refused::Broker(BrokerError::TooManyClaims) = refused {
                tracing::warn!("nobody can log in until claims of used tokens have ended");
            }
            match refused {
                // It finds the same again, and answers.
                Refused::Handshake => upgrade(request, &app.origins, app.config, async |_| ()),
                refused => refused.into_response(),
            }
        }
    }
}

/// All that is checked before 101. The token is claimed last: a client that is refused for another
/// reason can use it again.
async fn admit(
    app: &App,
    parameters: Result<Query<Parameters>, QueryRejection>,
    handshake: bool,
) -> Result<Session, Refused> {
    if let Some(reason) = app.unavailable() {
        return Err(Refused::Unavailable(reason));
    }
    let Query(Parameters { token }) = parameters.map_err(|_| TokenError::Malformed)?;
    let claims = app.chat.tokens.check(&token, SystemTime::now())?;
    let place = app.chat.connections.enter(&claims.user.into())?;
    if !handshake {
        return Err(Refused::Handshake);
    }
    // Longer than the token is valid here: the clock of another node can be behind.
    if !app.broker.claim(&claims.key, claims.left + VALID).await? {
        return Err(TokenError::Used.into());
    }
    let id = app.chat.ids.fetch_add(1, Relaxed);
    Ok(Session::new(app.clone(), place, id))
}

/// Why there is no 101.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Unavailable(&'static str),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Full(#[from] Full),
    #[error("no handshake, or a foreign origin")]
    Handshake,
}

impl Refused {
    /// For the metrics.
    fn label(&self) -> &'static str {
        match self {
            Self::Broker(BrokerError::TooManyClaims) => "claims",
            Self::Unavailable(_) | Self::Broker(_) => "unavailable",
            Self::Token(_) => "token",
            Self::Full(_) => "connections",
            Self::Handshake => "handshake",
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let text = format!("{self}\n");
        match self {
            Self::Unavailable(_) | Self::Broker(_) | Self::Full(Full::All) => {
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], text).into_response()
            }
            // Not 503, with which proxies take a node for one that cannot serve anybody.
            Self::Full(Full::User) => {
                (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "5")], text).into_response()
            }
            Self::Token(_) => (StatusCode::UNAUTHORIZED, text).into_response(),
            Self::Handshake => (StatusCode::BAD_REQUEST, text).into_response(),
        }
    }
}
