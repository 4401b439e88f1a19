//! The configuration, and the cost model that it makes.
//!
//! A file costs `per_file`, and a minute for each `lines_per_minute` of its units. A line is one unit for each 100
//! bytes that it has begun, so a minified file is not cheap because it has one line. A binary file costs
//! `per_file` alone. The model is plain on purpose: whoever knows better says so with `rates`.

use longhaul_sdk::{Failure, Span, files::Globs};
use serde::Deserialize;

/// How many bytes of a line are one unit of work.
pub(crate) const UNIT_BYTES: u64 = 100;

/// The agent's configuration, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    chunk: Span,
    lines_per_minute: u64,
    per_file: Span,
    rates: Vec<Rate>,
    exclude: Vec<String>,
    dependencies: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    #[serde(alias = "globs")]
    glob: Globs,
    lines_per_minute: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chunk: Span::from_secs(30 * 60),
            lines_per_minute: 200,
            per_file: Span::from_secs(5),
            rates: Vec::new(),
            exclude: Vec::new(),
            dependencies: true,
        }
    }
}

/// The cost model, checked.
#[derive(Clone, Debug)]
pub struct Model {
    /// The longest estimate of a chunk.
    pub(crate) chunk: Span,
    pub(crate) per_file: Span,
    /// Every file but those left out.
    pub(crate) globs: Globs,
    /// Whether imports are looked at.
    pub(crate) dependencies: bool,
    usual: u64,
    rates: Vec<Rate>,
}

impl Model {
    /// Checks the configuration.
    ///
    /// # Errors
    /// A value makes no sense; the failure names its field.
    pub fn new(config: Config) -> Result<Self, Failure> {
        let wrong = |text: String| Err(Failure::invalid_input(format!("config, {text}")));
        let rates = config.rates.iter().map(|rate| rate.lines_per_minute);
        let slowest = rates.clone().chain([config.lines_per_minute]).min().unwrap_or(0);
        if slowest == 0 {
            return wrong("field `lines_per_minute`: has to be at least 1".to_owned());
        }
        let globs = match Globs::all().except(config.exclude) {
            Ok(globs) => globs,
            Err(error) => return wrong(format!("field `exclude`: {error}")),
        };
        let model = Self {
            chunk: config.chunk,
            per_file: config.per_file,
            globs,
            dependencies: config.dependencies,
            usual: config.lines_per_minute,
            rates: config.rates,
        };
        if model.units_in_chunk(slowest) == 0 {
            return wrong(format!(
                "field `chunk`: {} is too short for `per_file` ({}) and a single line",
                model.chunk, model.per_file
            ));
        }
        Ok(model)
    }

    /// The rate for this file, in units a minute.
    pub(crate) fn rate(&self, path: &str) -> u64 {
        self.rates.iter().find(|rate| rate.glob.matches(path)).map_or(self.usual, |rate| rate.lines_per_minute)
    }

    /// What so many units of one file cost.
    pub(crate) fn cost(&self, units: u64, rate: u64) -> Span {
        let work = units.saturating_mul(60_000).div_ceil(rate);
        Span::from_millis(self.per_file.as_millis().saturating_add(work))
    }

    /// The most units of one file that fit into a chunk.
    pub(crate) fn units_in_chunk(&self, rate: u64) -> u64 {
        self.chunk.as_millis().saturating_sub(self.per_file.as_millis()).saturating_mul(rate) / 60_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(json: &str) -> Result<Model, Failure> {
        Model::new(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn what_fits_into_a_chunk_costs_no_more_than_a_chunk() {
        let model = model(r#"{"chunk":"7m","per_file":"3s","lines_per_minute":37}"#).unwrap();
        let most = model.units_in_chunk(37);
        assert!(model.cost(most, 37) <= model.chunk && model.cost(most + 1, 37) > model.chunk);
    }

    #[test]
    fn the_first_rate_that_names_a_file_counts() {
        let model =
            model(r#"{"rates":[{"glob":"*.md","lines_per_minute":900},{"glob":"**","lines_per_minute":5}]}"#).unwrap();
        assert_eq!((model.rate("a.md"), model.rate("b/a.md")), (900, 5));
    }

    #[test]
    fn a_chunk_that_nothing_fits_into_is_refused() {
        for (json, wanted) in [
            (r#"{"chunk":"5s"}"#, "field `chunk`"),
            (r#"{"chunk":"10s","rates":[{"glob":"a","lines_per_minute":1}]}"#, "field `chunk`"),
            (r#"{"lines_per_minute":0}"#, "lines_per_minute"),
            (r#"{"exclude":["/x"]}"#, "field `exclude`"),
        ] {
            let message = model(json).unwrap_err().message;
            assert!(message.contains(wanted), "{json}: {message}");
        }
    }
}
