//! The state of a codec in the stream of messages: what it remembers, and whether it can be taken
//! away.

/// The state of a codec in the stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stage {
    /// It does not know earlier messages of this connection: it is new, or another connection used
    /// it.
    #[default]
    Unprepared,
    /// Between two messages. It remembers the earlier messages.
    Ready,
    /// Inside a message.
    Inside,
    /// Inside a received message, after a final block. For zlib the stream has ended, but the
    /// message can continue (RFC 7692 §7.2.3.4).
    AfterFinalBlock,
}

impl Stage {
    /// Whether the codec can continue its stream. If not, it must be restarted from the history.
    pub(super) fn can_continue(self, takeover: bool) -> bool {
        match self {
            Self::Inside => true,
            Self::Ready => takeover,
            Self::Unprepared | Self::AfterFinalBlock => false,
        }
    }

    /// Whether a pool can take the codec away. With `context`, that includes a codec that remembers
    /// earlier messages to which the next one can refer.
    pub(super) fn can_be_taken(self, takeover: bool, context: bool) -> bool {
        match self {
            Self::Unprepared => true,
            Self::Ready => context || !takeover,
            Self::Inside | Self::AfterFinalBlock => false,
        }
    }
}
