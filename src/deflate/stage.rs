//! What a codec remembers, and whether it can be parted with.

/// Where a codec is in the stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It knows nothing of the messages before: it is new, or was elsewhere.
    Unprepared,
    /// Between two messages, and it remembers the last one.
    Ready,
    /// Inside of a message.
    Inside,
    /// Inside of a message that is received, behind a block that calls itself the final one: a
    /// stream ends there to zlib, but not to the peer (RFC 7692 §7.2.3.4).
    Final,
}

impl Stage {
    /// Whether the codec goes on from here. Else it has to start anew, behind what was before.
    pub(super) fn goes_on(self, takeover: bool) -> bool {
        match self {
            Self::Inside => true,
            Self::Ready => takeover,
            Self::Unprepared | Self::Final => false,
        }
    }

    /// Whether the codec can be given away; with `context` also one that remembers what the next
    /// message may refer to.
    pub(super) fn is_free(self, takeover: bool, context: bool) -> bool {
        match self {
            Self::Unprepared => true,
            Self::Ready => context || !takeover,
            Self::Inside | Self::Final => false,
        }
    }
}
