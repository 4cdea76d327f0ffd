//! Rooms: the JSON messages, tokens, limits, presence, and the session of one connection.
