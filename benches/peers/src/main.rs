//! Measures codecs in memory.

fn main() {}
