//! A chat, a dashboard and a comparison of transports on `websocket-proto`. README.md describes them,
//! PROTOCOL.md the messages of the chat.
//!
//! | module | what it does |
//! |---|---|
//! | [`broker`] | channels with history, over an engine: in process, Redis or NATS |
//! | [`chat`] | rooms: the JSON messages, tokens, limits, presence, and the session of one connection |
//! | [`dashboard`] | the metrics of the server as a live plot |
//! | [`compare`] | the same notifications by polling, server-sent events and WebSocket |
//! | [`server`] | HTTP, TLS, metrics, and the shutdown |
//! | [`load`] | the load tool, a client of the chat |

pub mod broker;
pub mod chat;
pub mod compare;
pub mod dashboard;
pub mod load;
pub mod options;
pub mod server;
