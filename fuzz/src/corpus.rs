//! The inputs of each target: the seeds, and a corpus that the fuzzer has found and minimised.
//!
//! The corpus of a target is one file, `fuzz/corpus/TARGET.packed`, because thousands of tiny files would be
//! hard to handle. In it, two bytes are the length of an input, and the input follows.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::seeds::seeds;

/// The longest input, in bytes. The fuzzer gets the same limit.
pub const MAX_LEN: usize = 4096;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");

fn packed(target: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{target}.packed"))
}

/// Returns the seeds of a target and the inputs of its corpus.
#[must_use]
pub fn inputs(target: &str) -> Vec<Vec<u8>> {
    let packed = fs::read(packed(target)).unwrap_or_default();
    let (mut inputs, mut rest) = (seeds(target), &packed[..]);
    while let Some((len, bytes)) = rest.split_first_chunk() {
        let (input, after) = bytes.split_at(usize::from(u16::from_le_bytes(*len)));
        inputs.push(input.to_vec());
        rest = after;
    }
    inputs
}

/// Writes each input of a target to a file in a folder, as the fuzzer wants them.
///
/// # Errors
///
/// If a file cannot be written.
pub fn unpack(target: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, input) in inputs(target).iter().enumerate() {
        fs::write(folder.join(format!("{number:05}")), input)?;
    }
    Ok(())
}

/// Replaces the corpus of a target by the files of a folder, the shortest ones first, up to `most`
/// bytes altogether. Returns how many inputs it has.
///
/// # Errors
///
/// If a file cannot be read or written.
pub fn pack(target: &str, folder: &Path, most: usize) -> io::Result<usize> {
    let known = seeds(target);
    let files = fs::read_dir(folder)?.map(|file| fs::read(file?.path()));
    let mut inputs = files.collect::<io::Result<Vec<_>>>()?;
    inputs.retain(|input| input.len() <= MAX_LEN && !known.contains(input));
    inputs.sort_by_key(|input| (input.len(), input.clone()));
    let (mut packed, mut count) = (Vec::new(), 0);
    for input in inputs {
        if packed.len() + 2 + input.len() > most {
            break;
        }
        packed.extend((input.len() as u16).to_le_bytes());
        packed.extend(input);
        count += 1;
    }
    fs::create_dir_all(FOLDER)?;
    fs::write(self::packed(target), packed)?;
    Ok(count)
}
