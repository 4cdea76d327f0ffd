//! Seeded random numbers.

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.upto(n as u64) as usize
    }

    /// Below `n`.
    pub fn upto(&mut self, n: u64) -> u64 {
        self.word() % n
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.upto(100) < percent
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A random number that belongs to these three.
pub fn hash(seed: u64, id: u32, number: u32) -> u64 {
    mixed(seed ^ mixed(u64::from(id) << 32 | u64::from(number)))
}
