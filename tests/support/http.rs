//! The head of a request or of a response, as lines that a test can change.

/// A start line and its header fields, without the ends of the lines.
#[derive(Debug, Clone)]
pub struct Head {
    pub lines: Vec<String>,
}

impl Head {
    pub fn new<const N: usize>(lines: [&str; N]) -> Self {
        Self {
            lines: lines.map(Into::into).to_vec(),
        }
    }

    /// The same head with changed lines.
    pub fn edited(mut self, edit: impl FnOnce(&mut Vec<String>)) -> Self {
        edit(&mut self.lines);
        self
    }

    /// The same head with further lines.
    pub fn with(self, further: &[&str]) -> Self {
        self.edited(|lines| lines.extend(further.iter().map(|&line| line.into())))
    }

    /// The same head in which the line of this name is replaced or removed.
    pub fn replaced(self, name: &str, line: Option<&str>) -> Self {
        self.edited(|lines| {
            let at = lines.iter().position(|line| line.starts_with(name));
            let at = at.expect("there is such a line");
            match line {
                Some(line) => lines[at] = line.into(),
                None => drop(lines.remove(at)),
            }
        })
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut head = self.lines.join("\r\n");
        head.push_str("\r\n\r\n");
        head.into_bytes()
    }
}

/// Splits `bytes` at these places, which can be in any order.
pub fn split_at(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Vec<&[u8]> {
    let mut cuts: Vec<_> = cuts.into_iter().collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut from = 0;
    let chunks = cuts
        .into_iter()
        .map(|to| &bytes[core::mem::replace(&mut from, to)..to]);
    chunks.collect()
}
