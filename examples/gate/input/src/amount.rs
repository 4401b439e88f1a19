//! Amounts in cents.

/// An amount; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(u64);

impl Amount {
    /// So many cents.
    pub fn cents(cents: u64) -> Self {
        Self(cents)
    }

    /// The sum; none where it is too large.
    pub fn plus(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount)
    }

    /// What is left; none where there is not enough.
    pub fn minus(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_add_up() {
        assert_eq!(Amount::cents(2).plus(Amount::cents(3)), Some(Amount::cents(5)));
        assert_eq!(Amount::cents(u64::MAX).plus(Amount::cents(1)), None);
    }

    #[test]
    fn nobody_owes() {
        assert_eq!(Amount::cents(2).minus(Amount::cents(3)), None);
    }
}
