//! What is measured.
use std::ops::Range;

use peers::pattern::is_match;

/// Messages of one size, so many under way on each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) depth: usize,
}

pub(crate) const MEMORY: &str = "memory";

impl Cell {
    pub(crate) fn name(&self) -> String {
        let Self {
            size,
            connections,
            depth,
        } = self;
        format!("echo/{size}/{connections}/{depth}")
    }
}

/// All cells. Those with equally many connections lie side by side: they share the connections.
pub(crate) fn cells() -> Vec<Cell> {
    const ALL: &[(usize, usize)] = &[(16, 1), (16, 16), (4096, 1), (4096, 16), (65_536, 1)];
    const PIPELINED: &[(usize, usize)] = &[(16, 16), (4096, 16)];
    let scale = [1, 10, 100, 1000, 10_000].map(|connections| (connections, ALL));
    let busy = [64, 512].map(|connections| (connections, PIPELINED));
    let mut cells = Vec::new();
    for (connections, kinds) in busy.into_iter().chain(scale) {
        cells.extend(kinds.iter().map(|&(size, depth)| Cell {
            size,
            connections,
            depth,
        }));
    }
    cells
}

/// The ranges of cells with equally many connections.
pub(crate) fn groups(cells: &[Cell]) -> Vec<Range<usize>> {
    let mut end = 0;
    let groups = cells.chunk_by(|a, b| a.connections == b.connections);
    groups
        .map(|group| {
            end += group.len();
            end - group.len()..end
        })
        .collect()
}

/// Whether a name is meant by one of the patterns: it contains it, or matches it if it has a `*`.
/// Without patterns every name is.
pub(crate) fn is_chosen(patterns: &[String], name: &str) -> bool {
    let matches = |pattern: &String| match pattern.contains('*') {
        false => name.contains(&**pattern),
        true => is_match(pattern, name),
    };
    patterns.is_empty() || patterns.iter().any(matches)
}
