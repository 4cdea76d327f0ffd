//! Copies that take the same time wherever their buffers lie.

/// The variable from which glibc reads its settings, at the start of a program.
const VARIABLE: &str = "GLIBC_TUNABLES";

/// glibc copies more than some KiB with `rep movsb`, unless a copy is as long as this.
const SETTING: &str = "glibc.cpu.x86_rep_movsb_threshold=0x7ffffff0";

/// Why [`settle`] starts the program again.
pub const WHY: &str = "glibc copies more than some KiB with `rep movsb`. On some CPUs that is 2 to 4 \
    times slower if source and destination have unlucky positions in their pages, so the position \
    of a buffer would decide a comparison. The program therefore starts itself again with \
    GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=0x7ffffff0: all contestants copy with vector \
    instructions.";

/// Starts this program again, with the same arguments, without `rep movsb`. It returns if that is
/// done already, if it is not needed (no glibc, no x86-64), or if it fails.
pub fn settle() {
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    {
        use std::{env, os::unix::process::CommandExt as _, process::Command};

        let before = env::var(VARIABLE).unwrap_or_default();
        if before.contains(SETTING) {
            return;
        }
        let tunables = match &before[..] {
            "" => SETTING.to_owned(),
            before => format!("{before}:{SETTING}"),
        };
        if let Ok(program) = env::current_exe() {
            let mut again = Command::new(program);
            let error = again
                .args(env::args_os().skip(1))
                .env(VARIABLE, tunables)
                .exec();
            eprintln!("the program could not start itself again: {error}");
        }
    }
}

/// Whether copies use `rep movsb`, for the report.
pub fn is_settled() -> bool {
    cfg!(not(all(target_arch = "x86_64", target_env = "gnu")))
        || std::env::var(VARIABLE).is_ok_and(|it| it.contains(SETTING))
}
