//! Accounts by name.

use crate::Amount;
use std::collections::BTreeMap;

/// All accounts.
#[derive(Debug, Default)]
pub struct Book {
    accounts: BTreeMap<String, Amount>,
}

impl Book {
    /// Pays into an account, which is made where it is missing.
    pub fn pay_in(&mut self, name: &str, amount: Amount) {
        let account = self.accounts.entry(name.to_owned()).or_default();
        // TODO: tell the caller when it is too large
        *account = account.plus(amount).unwrap();
    }

    /// Moves an amount; false where there is not enough.
    pub fn move_over(&mut self, from: &str, to: &str, amount: Amount) -> bool {
        let Some(left) = self.accounts.get(from).and_then(|account| account.minus(amount)) else { return false };
        self.accounts.insert(from.to_owned(), left);
        self.pay_in(to, amount);
        true
    }

    /// What an account holds.
    pub fn of(&self, name: &str) -> Amount {
        self.accounts.get(name).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_moves_and_none_is_made() {
        let mut book = Book::default();
        book.pay_in("a", Amount::cents(10));
        assert!(book.move_over("a", "b", Amount::cents(4)));
        assert!(!book.move_over("a", "b", Amount::cents(7)));
        assert_eq!((book.of("a"), book.of("b")), (Amount::cents(6), Amount::cents(4)));
    }
}
