//! The server as its clients see it: over sockets, in this process or in one of its own.
mod client;
mod dashboard;
mod http;
mod limits;
mod process;
mod stop;
mod tls;
