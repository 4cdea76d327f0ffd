//! The same notifications by short polling, long polling, server-sent events and WebSocket.
