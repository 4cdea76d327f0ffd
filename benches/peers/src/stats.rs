//! Medians and their spread.

/// The samples of one contestant: one a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    /// The first quartile.
    pub q1: f64,
    /// The third quartile.
    pub q3: f64,
    pub rounds: usize,
}

impl Summary {
    /// Sorts the samples.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn of(samples: &mut [f64]) -> Self {
        samples.sort_by(f64::total_cmp);
        Self {
            median: quantile(samples, 0.5),
            min: samples[0],
            q1: quantile(samples, 0.25),
            q3: quantile(samples, 0.75),
            rounds: samples.len(),
        }
    }

    /// The distance of the quartiles, as a part of the median.
    pub fn spread(&self) -> f64 {
        (self.q3 - self.q1) / self.median
    }
}

/// The value below which a part `q` of the sorted samples lies, interpolated between two of them.
///
/// # Panics
///
/// If there are no samples.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_five() {
        let summary = Summary::of(&mut [5.0, 1.0, 4.0, 2.0, 3.0]);
        let expected = Summary {
            median: 3.0,
            min: 1.0,
            q1: 2.0,
            q3: 4.0,
            rounds: 5,
        };
        assert_eq!(summary, expected);
        assert_eq!(summary.spread(), 2.0 / 3.0);
    }

    #[test]
    fn a_median_between_two_samples() {
        assert_eq!(Summary::of(&mut [1.0, 2.0]).median, 1.5);
        assert_eq!(Summary::of(&mut [7.0]).median, 7.0);
    }
}
