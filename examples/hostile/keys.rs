//! The mask keys of a client: "unpredictable" (RFC 6455 §5.3), so they hardly ever repeat.
use std::collections::HashSet;

use websocket_proto::frame::RawHeader;

/// Repetitions that are still a coincidence among few keys.
const FEW: u64 = 10;

#[derive(Default)]
pub struct Keys {
    keys: HashSet<[u8; 4]>,
    /// Frames with a mask.
    count: u64,
    /// The start of a header.
    pending: Vec<u8>,
    /// Payload that is still to come.
    skip: u64,
}

impl Keys {
    pub fn push(&mut self, bytes: &[u8]) {
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        self.pending.extend_from_slice(&bytes[skipped as usize..]);
        let mut rest = &self.pending[..];
        while let Some((header, len)) = RawHeader::decode(rest) {
            if let Some(key) = header.mask {
                self.keys.insert(key);
                self.count += 1;
            }
            let taken = header.len.min((rest.len() - len) as u64);
            self.skip = header.len - taken;
            rest = &rest[len + taken as usize..];
        }
        self.pending = rest.to_vec();
    }

    /// Whether more keys repeat than the birthday paradox explains: n² / 2³³ of n.
    pub fn repeat(&self) -> bool {
        let coincidences = self.count.saturating_mul(self.count) >> 33;
        self.count - self.keys.len() as u64 > FEW + 2 * coincidences
    }
}

#[test]
fn repeated_keys_are_noticed_in_every_split() {
    let frame = |n: u32| {
        let mut header = RawHeader::new(10, 3);
        header.mask = Some((n.wrapping_mul(0x9e37_79b9)).to_be_bytes());
        [header.encode().as_bytes(), b"abc"].concat()
    };
    let stream = |each: u32| (0..1000).flat_map(|n| frame(n * each)).collect::<Vec<u8>>();
    for split in 1..20 {
        let (mut good, mut bad) = (Keys::default(), Keys::default());
        stream(1).chunks(split).for_each(|it| good.push(it));
        stream(0).chunks(split).for_each(|it| bad.push(it));
        assert_eq!((good.count, bad.count), (1000, 1000));
        assert!(!good.repeat() && bad.repeat());
    }
}
