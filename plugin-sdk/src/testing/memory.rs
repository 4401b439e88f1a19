//! The memory of a host for tests: a map for each scope.

use std::{cell::RefCell, collections::BTreeMap, ops::Bound};

use crate::{
    Error,
    memory::{Hit, Scope},
};

/// What is remembered, by scope and key.
#[derive(Default)]
pub(crate) struct Memory {
    entries: RefCell<BTreeMap<(u8, String), Vec<u8>>>,
}

impl Memory {
    pub(crate) fn get(&self, scope: Scope, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.entries.borrow().get(&place(scope, key)).cloned())
    }

    pub(crate) fn set(&self, scope: Scope, key: &str, value: &[u8]) -> Result<(), Error> {
        self.entries.borrow_mut().insert(place(scope, key), value.to_vec());
        Ok(())
    }

    pub(crate) fn delete(&self, scope: Scope, key: &str) -> Result<bool, Error> {
        Ok(self.entries.borrow_mut().remove(&place(scope, key)).is_some())
    }

    pub(crate) fn keys(
        &self,
        scope: Scope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let from = after.map_or_else(
            || Bound::Included(place(scope, prefix)),
            |after| Bound::Excluded(place(scope, after.max(prefix))),
        );
        let entries = self.entries.borrow();
        let keys = entries.range((from, Bound::Unbounded)).map(|((_, key), _)| key.clone());
        Ok(keys.take_while(|key| key.starts_with(prefix)).take(limit as usize).collect())
    }

    /// Entries that have any word of the query, those with more of them first.
    pub(crate) fn search(&self, scope: Scope, query: &str, limit: u32) -> Result<Vec<Hit>, Error> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let (wanted, _) = place(scope, "");
        let entries = self.entries.borrow();
        let in_scope = entries.iter().filter(|((scope, _), _)| *scope == wanted);
        let mut hits: Vec<Hit> = in_scope
            .filter_map(|((_, key), value)| {
                let text = String::from_utf8_lossy(value).into_owned();
                let has = text.to_lowercase();
                let score = words.iter().filter(|word| has.contains(word.as_str())).count();
                (score > 0).then(|| Hit {
                    key: key.clone(),
                    excerpt: text.chars().take(300).collect(),
                    score: score as f64,
                })
            })
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.key.cmp(&b.key)));
        hits.truncate(limit as usize);
        Ok(hits)
    }
}

fn place(scope: Scope, key: &str) -> (u8, String) {
    let number = match scope {
        Scope::Task => 0,
        Scope::Run => 1,
        Scope::Workflow => 2,
    };
    (number, key.to_owned())
}
