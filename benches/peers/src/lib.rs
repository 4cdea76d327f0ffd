//! What both programs of this package share: inputs, clocks, statistics, plots, and the judgement
//! whether the machine was quiet enough.

pub mod clock;
pub mod generate;
pub mod memcpy;
pub mod plot;
pub mod progress;
pub mod quiet;
pub mod stats;
