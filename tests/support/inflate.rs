//! A slow and simple inflater (RFC 1951) that reads one bit at a time. It tells the expected result
//! of the inflater of the crate. It refuses what zlib refuses, at the bit that is wrong.

/// The result of inflating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inflation {
    pub output: Vec<u8>,
    pub end: End,
    /// The longest distance of all matches.
    pub farthest: usize,
    /// Whether data followed a final block.
    pub restarted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The data ends inside a block.
    Inside,
    /// The data ends between two blocks. This many bits are left, too few for the next header.
    Between(usize),
    /// The data ends with a final block.
    Final,
    /// The data is not valid DEFLATE.
    Wrong,
    /// The output exceeds the limit.
    Full,
}

/// Inflates `data`. `before` is what was inflated before it. Data may follow a final block (RFC 7692
/// §7.2.3.4), but then it may refer to the last `kept` bytes of `before` only.
pub fn inflate(before: &[u8], kept: usize, data: &[u8], limit: usize) -> Inflation {
    let mut bits = Bits { data, at: 0 };
    let mut window = Window {
        bytes: before.to_vec(),
        start: before.len(),
        floor: 0,
        limit,
        farthest: 0,
    };
    let mut restarted = false;
    let end = loop {
        let at = bits.at;
        match block(&mut bits, &mut window) {
            Ok(false) => {}
            Ok(true) => {
                bits.align();
                if bits.at == bits.len() {
                    break End::Final;
                }
                restarted = true;
                window.floor = window.bytes.len().saturating_sub(kept);
            }
            Err(Stop::Between) => break End::Between(bits.len() - at),
            Err(Stop::Dry) => break End::Inside,
            Err(Stop::Wrong) => break End::Wrong,
            Err(Stop::Full) => break End::Full,
        }
    };
    Inflation {
        output: window.bytes.split_off(window.start),
        end,
        farthest: window.farthest,
        restarted,
    }
}

enum Stop {
    Between,
    Dry,
    Wrong,
    Full,
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn len(&self) -> usize {
        8 * self.data.len()
    }

    fn bit(&mut self) -> Result<usize, Stop> {
        if self.at == self.len() {
            return Err(Stop::Dry);
        }
        let at = self.at;
        self.at += 1;
        Ok(usize::from(self.data[at / 8] >> (at % 8) & 1))
    }

    fn number(&mut self, bits: usize) -> Result<usize, Stop> {
        if self.at + bits > self.len() {
            return Err(Stop::Dry);
        }
        (0..bits).try_fold(0, |number, at| Ok(number | self.bit()? << at))
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

struct Window {
    bytes: Vec<u8>,
    start: usize,
    floor: usize,
    limit: usize,
    farthest: usize,
}

impl Window {
    fn push(&mut self, byte: u8) -> Result<(), Stop> {
        if self.bytes.len() - self.start == self.limit {
            return Err(Stop::Full);
        }
        self.bytes.push(byte);
        Ok(())
    }

    fn copy(&mut self, len: usize, distance: usize) -> Result<(), Stop> {
        if distance > self.bytes.len() - self.floor {
            return Err(Stop::Wrong);
        }
        self.farthest = self.farthest.max(distance);
        (0..len).try_for_each(|_| self.push(self.bytes[self.bytes.len() - distance]))
    }
}

/// Inflates a block (§3.2.3). Returns whether it is a final block.
fn block(bits: &mut Bits<'_>, window: &mut Window) -> Result<bool, Stop> {
    let header = bits.number(3).map_err(|_| Stop::Between)?;
    match header >> 1 {
        0 => {
            bits.align();
            let lens = bits.number(32)?;
            let (len, inverse) = (lens & 0xFFFF, lens >> 16);
            if len != !inverse & 0xFFFF {
                return Err(Stop::Wrong);
            }
            for _ in 0..len {
                let byte = bits.number(8)?;
                window.push(byte as u8)?;
            }
        }
        1 => {
            let lens = (0..288).map(|symbol| match symbol {
                0..144 => 8,
                144..256 => 9,
                256..280 => 7,
                _ => 8,
            });
            let (literals, distances) = (Code::new(lens.collect())?, Code::new(vec![5; 32])?);
            symbols(bits, window, &literals, &distances)?;
        }
        2 => {
            let (literals, distances) = codes(bits)?;
            symbols(bits, window, &literals, &distances)?;
        }
        _ => return Err(Stop::Wrong),
    }
    Ok(header & 1 == 1)
}

fn symbols(
    bits: &mut Bits<'_>,
    window: &mut Window,
    literals: &Code,
    distances: &Code,
) -> Result<(), Stop> {
    loop {
        let symbol = literals.symbol(bits)?;
        let len = match symbol {
            0..256 => {
                window.push(symbol as u8)?;
                continue;
            }
            256 => return Ok(()),
            257..265 => symbol - 254,
            265..285 => {
                let extra = (symbol - 261) / 4;
                (((symbol - 265) % 4 + 4) << extra) + 3 + bits.number(extra)?
            }
            285 => 258,
            _ => return Err(Stop::Wrong),
        };
        let distance = match distances.symbol(bits)? {
            symbol @ 0..4 => symbol + 1,
            symbol @ 4..30 => {
                let extra = symbol / 2 - 1;
                ((symbol % 2 + 2) << extra) + 1 + bits.number(extra)?
            }
            _ => return Err(Stop::Wrong),
        };
        window.copy(len, distance)?;
    }
}

/// Reads the codes of a block with dynamic codes (§3.2.7).
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), Stop> {
    const ORDER: [usize; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let counts = bits.number(14)?;
    let literals = (counts & 31) + 257;
    let distances = (counts >> 5 & 31) + 1;
    if literals > 286 || distances > 30 {
        return Err(Stop::Wrong);
    }
    let mut lens = vec![0; 19];
    for at in &ORDER[..(counts >> 10) + 4] {
        lens[*at] = bits.number(3)?;
    }
    let none = lens.iter().all(|len| *len == 0);
    if !none && !is_complete(&lens) {
        return Err(Stop::Wrong);
    }
    let code = Code::new(lens)?;
    let mut lens = Vec::new();
    while lens.len() < literals + distances {
        // If no code has a word, zlib reads zeros. Such a block fails later.
        let symbol = match none {
            true => bits.bit().map(|_| 0)?,
            false => code.symbol(bits)?,
        };
        let (len, times) = match symbol {
            16 => {
                let times = 3 + bits.number(2)?;
                (*lens.last().ok_or(Stop::Wrong)?, times)
            }
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            len => (len, 1),
        };
        if lens.len() + times > literals + distances {
            return Err(Stop::Wrong);
        }
        lens.extend(core::iter::repeat_n(len, times));
    }
    let distances = lens.split_off(literals);
    if lens[256] == 0 {
        return Err(Stop::Wrong);
    }
    Ok((Code::new(lens)?, Code::new(distances)?))
}

fn is_complete(lens: &[usize]) -> bool {
    let used = lens.iter().filter(|len| **len > 0);
    used.map(|len| 1_u32 << (15 - len)).sum::<u32>() == 1 << 15
}

/// A prefix code. It is given by the lengths of its words (§3.2.2).
struct Code {
    /// How many words there are of each length, and the symbols in the order of their words.
    counts: [usize; 16],
    symbols: Vec<usize>,
    longest: usize,
}

impl Code {
    /// Complete, or a single word of one bit, or none, which matters once it is used.
    fn new(lens: Vec<usize>) -> Result<Self, Stop> {
        let mut counts = [0; 16];
        lens.iter().for_each(|len| counts[*len] += 1);
        let mut symbols: Vec<_> = (0..lens.len()).filter(|at| lens[*at] > 0).collect();
        symbols.sort_by_key(|at| lens[*at]);
        let longest = (1..16).rev().find(|len| counts[*len] > 0).unwrap_or(0);
        match is_complete(&lens) || longest == 0 || longest == 1 && symbols.len() == 1 {
            true => Ok(Self {
                counts,
                symbols,
                longest,
            }),
            false => Err(Stop::Wrong),
        }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, Stop> {
        let (mut word, mut first, mut before) = (0, 0, 0);
        for len in 1..=self.longest.max(1) {
            word = word << 1 | bits.bit()?;
            first <<= 1;
            if word - first < self.counts[len] {
                return Ok(self.symbols[before + word - first]);
            }
            first += self.counts[len];
            before += self.counts[len];
        }
        Err(Stop::Wrong)
    }
}
