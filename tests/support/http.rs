//! The head of a request or of a response, line by line, with any mistake in it.

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

    /// The same with `edit` done to its lines.
    pub fn edited(mut self, edit: impl FnOnce(&mut Vec<String>)) -> Self {
        edit(&mut self.lines);
        self
    }

    /// The same with further lines.
    pub fn with(self, further: &[&str]) -> Self {
        self.edited(|lines| lines.extend(further.iter().map(|&line| line.into())))
    }

    /// The same, whose line of this name is another, or is missing.
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

/// The pieces of `bytes` between these places, which come in any order.
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
