//! A progress bar that tells what is measured at present.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `steps`. Call `set_message` with what is under way, and `inc` after each step.
pub fn bar(title: &str, steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix} {bar:30.cyan/blue} {pos}/{len} {elapsed} (rest {eta}) {wide_msg}",
    )
    .expect("a constant template");
    let bar = ProgressBar::new(steps).with_style(style);
    bar.set_prefix(title.to_owned());
    // Drawing takes time as well: rarely is enough.
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
