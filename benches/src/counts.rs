//! The table of stored counts of instructions, and the comparison with it.

use std::{collections::BTreeMap, fmt::Write};

/// A count may grow by this many per cent.
const TOLERANCE: u64 = 5;

/// The counts of a file. Each line has a count and the name of a workload. A line that begins with
/// `#` is a comment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

/// A measured count beside the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Same,
    Grew,
    Shrank,
    NotStored,
}

impl Counts {
    /// Reads a file. Fails with the first wrong line.
    pub fn parse(file: &str) -> Result<Self, String> {
        let lines = file.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                let (count, name) = line.split_once(' ').ok_or(line)?;
                let count = count.parse().map_err(|_| line)?;
                Ok((name.trim().to_owned(), count))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The lines of a file: those of `names`, in this order. Names without a count are left out.
    pub fn lines<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> String {
        names.into_iter().fold(String::new(), |mut lines, name| {
            if let Some(count) = self.0.get(name) {
                writeln!(lines, "{count:>9}  {name}").expect("a String");
            }
            lines
        })
    }

    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    pub fn set(&mut self, name: &str, count: u64) {
        self.0.insert(name.to_owned(), count);
    }

    /// The stored names that are not in `names`.
    pub fn unknown(&self, names: &[&str]) -> Vec<&str> {
        let stored = self.0.keys().map(String::as_str);
        stored.filter(|name| !names.contains(name)).collect()
    }

    pub fn compare(&self, name: &str, now: u64) -> Verdict {
        match self.get(name) {
            None => Verdict::NotStored,
            Some(stored) if now * 100 > stored * (100 + TOLERANCE) => Verdict::Grew,
            Some(stored) if now * 100 < stored * (100 - TOLERANCE) => Verdict::Shrank,
            Some(_) => Verdict::Same,
        }
    }
}

impl Verdict {
    /// Whether the guard fails. A count that shrank should be stored, but that is no reason to fail.
    pub fn fails(self) -> bool {
        matches!(self, Self::Grew | Self::NotStored)
    }

    /// What to print beside a count.
    pub fn label(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Grew => "GREW",
            Self::Shrank => "shrank",
            Self::NotStored => "NOT STORED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# A comment.\n\n      200  receive 16 B\n    30000  opening\n";

    fn stored() -> Counts {
        Counts::parse(FILE).unwrap()
    }

    #[test]
    fn more_than_five_per_cent_fail_and_less_is_told() {
        for (now, verdict, fails) in [
            (189, Verdict::Shrank, false),
            (190, Verdict::Same, false),
            (200, Verdict::Same, false),
            (210, Verdict::Same, false),
            (211, Verdict::Grew, true),
        ] {
            assert_eq!(stored().compare("receive 16 B", now), verdict, "{now}");
            assert_eq!(verdict.fails(), fails, "{now}");
        }
    }

    #[test]
    fn a_workload_without_a_count_fails() {
        let verdict = stored().compare("receive", 1);
        assert_eq!(verdict, Verdict::NotStored);
        assert!(verdict.fails());
    }

    #[test]
    fn a_count_without_a_workload_is_found() {
        assert_eq!(stored().unknown(&["receive 16 B", "opening"]), [""; 0]);
        assert_eq!(stored().unknown(&["opening"]), ["receive 16 B"]);
    }

    #[test]
    fn lines_are_read_again() {
        let mut counts = stored();
        counts.set("opening", 9000);
        let lines = counts.lines(["receive 16 B", "missing", "opening"]);
        assert_eq!(lines, "      200  receive 16 B\n     9000  opening\n");
        assert_eq!(Counts::parse(&lines), Ok(counts));
    }

    #[test]
    fn a_wrong_line_is_an_error() {
        for line in ["200", "x receive", "-1 receive", "1.5 receive"] {
            assert_eq!(Counts::parse(&format!("{FILE}{line}\n")), Err(line.into()));
        }
    }
}
