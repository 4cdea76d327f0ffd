//! Clients that read too slowly, or send too much.
