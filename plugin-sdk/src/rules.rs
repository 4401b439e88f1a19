//! Rules over files, as several agents have them: each has a name, the files that it is for, and what it looks for there.
//! Needs the feature `patterns`.

use crate::{Failure, files::Globs};

/// Files with more bytes are left alone unless a configuration says otherwise.
pub const MAX_FILE_SIZE: u64 = 16 << 20;

/// How many places are listed one by one unless a configuration says otherwise.
pub const MAX_REPORTED: usize = 200;

/// A rule as a configuration writes it.
pub trait RuleConfig {
    /// The rule, checked and ready.
    type Rule;

    /// Its name, for reports and errors.
    fn name(&self) -> &str;

    /// The files that it is for; every file where none are given.
    fn globs(&self) -> Option<Globs>;

    /// Checks it. `globs` are the files that it is for, less those that no rule looks at.
    ///
    /// # Errors
    /// It makes no sense; the reason is for a person.
    fn rule(self, globs: Globs) -> Result<Self::Rule, String>;
}

/// Checks the rules of a configuration's field `rules`; none of them looks at files that `exclude` names. Gives them with the files
/// that any of them is for.
///
/// # Errors
/// A rule makes no sense; the failure names the field and the rule.
pub fn read<C: RuleConfig>(configs: Vec<C>, exclude: &[String]) -> Result<(Vec<C::Rule>, Globs), Failure> {
    let (mut rules, mut all) = (Vec::with_capacity(configs.len()), Globs::default());
    for (index, config) in configs.into_iter().enumerate() {
        let name = config.name().to_owned();
        let globs = config.globs().unwrap_or_else(Globs::all).except(exclude.iter().cloned());
        let rule = globs.map_err(|error| format!("`exclude`: {error}")).and_then(|globs| {
            all = all.clone().or(&globs);
            config.rule(globs)
        });
        rules.push(rule.map_err(|wrong| {
            Failure::invalid_input(format!("config, field `rules[{index}]` (rule `{name}`): {wrong}"))
        })?);
    }
    Ok((rules, all))
}
