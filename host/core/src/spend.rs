//! What language models read, write and cost, and how an attempt tells it while it works.

use crate::attempt::Usage;
use crate::units::{Money, Tokens};
use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};

/// Tokens and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens of language models, read and written.
    #[serde(default)]
    pub tokens: Tokens,
    /// What they cost.
    #[serde(default)]
    pub money: Money,
}

impl Spent {
    /// Whether it is nothing at all.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What an attempt spent in all.
    pub fn of(usage: &Usage) -> Self {
        Self { tokens: usage.tokens, money: usage.money }
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { tokens: self.tokens + more.tokens, money: self.money + more.money }
    }
}

impl Sub for Spent {
    type Output = Self;

    /// What is left; nothing where `less` is more.
    fn sub(self, less: Self) -> Self {
        Self {
            tokens: Tokens(self.tokens.0.saturating_sub(less.tokens.0)),
            money: Money(self.money.0.saturating_sub(less.money.0)),
        }
    }
}

/// Takes what an attempt has spent so far, so that the run's budget is kept while it works and not only when it has ended.
pub trait Meter: Send + Sync {
    /// The attempt has spent this since it began, all of it: an attempt that is replayed says the same again, and it
    /// counts once. A replay may say less than was said before.
    fn so_far(&self, spent: Spent);
}

/// Counts nothing: for attempts of which no run has to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn so_far(&self, _: Spent) {}
}
