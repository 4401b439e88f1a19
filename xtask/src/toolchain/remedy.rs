//! [`Remedy`]: the three ways to a compiler, and what is said when each of them failed.

use std::env;
use std::error::Error;
use std::fmt;

/// Restricts the search to one remedy, for people who want to know which one they get.
const CHOICE: &str = "LONGHAUL_WASM_TOOLCHAIN";

/// A way to compile for WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The active toolchain has the target.
    Installed,
    /// rustup downloads the target.
    Rustup,
    /// Debian's packages.
    Debian,
}

impl Remedy {
    /// In the order in which they are tried.
    pub(crate) const ALL: [Remedy; 3] = [Remedy::Installed, Remedy::Rustup, Remedy::Debian];

    fn advice(self) -> &'static str {
        match self {
            Remedy::Installed => {
                "use a Rust toolchain that has the target, for example `RUSTUP_TOOLCHAIN=NAME cargo xtask …`"
            }
            Remedy::Rustup => "run `rustup target add wasm32-wasip2` where rustup can download",
            Remedy::Debian => {
                "on Debian 12, as root: `apt-get update && apt-get install rustc-web rust-web-src`; the rest is fetched by apt"
            }
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Remedy::Installed => "the active toolchain",
            Remedy::Rustup => "rustup",
            Remedy::Debian => "the way over Debian's packages",
        })
    }
}

/// The remedies that may be used.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chosen {
    /// All, in their order.
    Any,
    /// Only this one.
    Only(Remedy),
}

/// A choice that does not exist.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{CHOICE} is {0:?}, which is no remedy; set it to installed, rustup or debian, or unset it")]
pub(crate) struct UnknownRemedy(String);

impl Chosen {
    /// Reads the choice of the person who runs xtask.
    pub(crate) fn from_environment() -> Result<Chosen, UnknownRemedy> {
        env::var(CHOICE).map_or(Ok(Chosen::Any), |text| Chosen::parse(&text))
    }

    fn parse(text: &str) -> Result<Chosen, UnknownRemedy> {
        match text {
            "" => Ok(Chosen::Any),
            "installed" => Ok(Chosen::Only(Remedy::Installed)),
            "rustup" => Ok(Chosen::Only(Remedy::Rustup)),
            "debian" => Ok(Chosen::Only(Remedy::Debian)),
            other => Err(UnknownRemedy(other.to_owned())),
        }
    }

    /// Whether a remedy may be used.
    pub(crate) fn allows(self, remedy: Remedy) -> bool {
        match self {
            Chosen::Any => true,
            Chosen::Only(only) => only == remedy,
        }
    }
}

/// The remedies that were tried, why each failed, and what a person can do about it.
#[derive(Debug, Default)]
pub(crate) struct Failures(Vec<(Remedy, String)>);

impl Failures {
    /// Notes that a remedy failed.
    pub(crate) fn add(&mut self, remedy: Remedy, reason: String) {
        self.0.push((remedy, reason));
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, remedy) in (1..).zip(Remedy::ALL) {
            let reason = self.0.iter().find(|(failed, _)| *failed == remedy);
            let reason = reason.map_or("not tried, because another way was asked for", |(_, reason)| reason);
            write!(formatter, "\n  {number}. {remedy}: {reason}\n     to mend it: {}", remedy.advice())?;
        }
        Ok(())
    }
}

/// An error and its causes in one line.
pub(crate) fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_all_remedies_with_their_reasons() {
        let mut failures = Failures::default();
        failures.add(Remedy::Installed, "no libstd in it".to_owned());
        failures.add(Remedy::Rustup, "no network".to_owned());
        failures.add(Remedy::Debian, "not Debian".to_owned());
        let text = failures.to_string();
        for part in ["no libstd in it", "no network", "not Debian", "rustup target add", "apt-get install", "1.", "3."]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn a_choice_restricts_and_a_wrong_one_is_refused() {
        let only = Chosen::parse("debian").unwrap();
        assert!(only.allows(Remedy::Debian) && !only.allows(Remedy::Rustup));
        assert!(Chosen::parse("").unwrap().allows(Remedy::Rustup));
        assert!(Chosen::parse("Debian").unwrap_err().to_string().contains("\"Debian\""));
    }
}
