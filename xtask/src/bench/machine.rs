//! On what it is measured, in a line that goes before the table: figures without it say little.

use std::fs;
use std::thread;

/// Load above which others are at work too, and figures are no fair ones.
const QUIET: f64 = 0.5;

/// Cores, kernel, and how busy the machine was with other things when this was asked.
pub(crate) fn told() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let load = read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok());
    let cores = thread::available_parallelism().map_or(0, usize::from);
    line(cores, std::env::consts::ARCH, read("/proc/sys/kernel/osrelease").trim(), load)
}

fn line(cores: usize, arch: &str, kernel: &str, load: Option<f64>) -> String {
    let kernel = if kernel.is_empty() { "unknown" } else { kernel };
    let load = match load {
        None => "how busy it was is not known".to_owned(),
        Some(load) if load > QUIET => format!("**not quiet**: load {load} before the first measurement"),
        Some(load) => format!("quiet: load {load} before the first measurement"),
    };
    format!("{cores} cores, {arch}, kernel {kernel}, optimised build; {load}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_does_other_things_is_told() {
        let busy = line(2, "x86_64", "6.1", Some(1.7));
        assert_eq!(
            busy,
            "2 cores, x86_64, kernel 6.1, optimised build; **not quiet**: load 1.7 before the first measurement."
        );
        assert!(line(2, "x86_64", "", Some(0.1)).ends_with("quiet: load 0.1 before the first measurement."));
        assert!(line(2, "x86_64", "", None).contains("not known"));
    }
}
