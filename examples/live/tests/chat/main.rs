//! The chat as its clients see it, over sockets to a server in this process.
mod client;
mod entry;
mod presence;
mod protocol;
mod rooms;
mod slow;
