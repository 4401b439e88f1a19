//! Options of `wait-until`.

use std::time::Duration;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The wait between two tries.
    pub every: Duration,
    /// After so many tries it gives up; none for never.
    pub tries: Option<u32>,
    /// The command.
    pub command: Vec<String>,
}

impl Options {
    /// Reads the arguments: `--every SECONDS`, `--tries N`, then `--` and the command.
    pub fn read(arguments: &[&str]) -> Result<Options, String> {
        let mut options = Options { every: Duration::from_secs(1), tries: None, command: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut number = || -> Result<u32, String> {
                let text = rest.next().ok_or(format!("{argument} needs a number"))?;
                text.parse().map_err(|_| format!("{argument} needs a number, and `{text}` is none"))
            };
            match *argument {
                "--every" => options.every = Duration::from_secs(number()?.into()),
                "--tries" => options.tries = Some(number()?),
                "--" => options.command = rest.by_ref().map(|word| (*word).to_owned()).collect(),
                other => return Err(format!("there is no option {other}")),
            }
        }
        if options.command.is_empty() {
            return Err("there is no command; write it behind `--`".to_owned());
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_options_are_read() {
        let options = Options::read(&["--every", "5", "--tries", "3", "--", "true"]).unwrap();
        assert_eq!((options.every, options.tries), (Duration::from_secs(5), Some(3)));
        assert_eq!(options.command, ["true"]);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (arguments, reason) in [(&["--tries", "many", "--", "true"][..], "`many` is none"), (&["--every"], "needs a number"), (&[], "no command")] {
            assert!(Options::read(arguments).unwrap_err().contains(reason));
        }
    }
}
