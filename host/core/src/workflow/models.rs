//! The workflow's own models: names that people can write in a grant, each with the one file that answers for it.

use super::check::{Checker, at};
use super::model::ModelSpec;
use super::raw::RawModel;
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// The most characters of a model's name.
const MAX_NAME: usize = 100;

impl Checker<'_> {
    pub(super) fn models(&mut self, raw: IndexMap<String, RawModel>) -> BTreeMap<String, ModelSpec> {
        let mut models = BTreeMap::new();
        for (name, model) in raw {
            let path = at!["models", &name].to_vec();
            if name.is_empty() || name == "*" || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
                let hint = format!("write 1 to {MAX_NAME} characters, as in `default`");
                self.key_error(&path, "this is not a name for a model", hint);
                continue;
            }
            let spec = match (model.script, model.replay) {
                (Some(file), None) => ModelSpec::Script(file),
                (None, Some(file)) => ModelSpec::Replay(file),
                (None, None) => {
                    self.error(&path, "nothing says how it answers", "add `script: model.yaml`");
                    continue;
                }
                (Some(_), Some(_)) => {
                    self.error(&path, "it has two ways to answer", "keep one of `script` and `replay`");
                    continue;
                }
            };
            if spec.file().is_empty() || spec.file().contains('\0') {
                let field = at!["models", &name, spec.field()].to_vec();
                self.error(&field, "this is not a path", "write a file relative to this one, as in `model.yaml`");
            }
            models.insert(name, spec);
        }
        models
    }
}
