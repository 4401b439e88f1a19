//! What tokens cost.

use longhaul_core::units::{Money, Tokens};

/// The price of a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// Read.
    pub input: Money,
    /// Written.
    pub output: Money,
}

impl Price {
    /// What so many tokens cost, rounded up: a budget is never passed by roundings.
    pub fn of(self, input: Tokens, output: Tokens) -> Money {
        let millionths =
            u128::from(input.0) * u128::from(self.input.0) + u128::from(output.0) * u128::from(self.output.0);
        Money(u64::try_from(millionths.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_cost_what_the_price_list_says_rounded_up() {
        let price = Price { input: Money(2_500_000), output: Money(10_000_000) };
        assert_eq!(price.of(Tokens(1_000_000), Tokens(100_000)), Money(3_500_000));
        assert_eq!(price.of(Tokens(1), Tokens(0)), Money(3));
        assert_eq!(price.of(Tokens(u64::MAX), Tokens(u64::MAX)), Money(u64::MAX));
        assert_eq!(Price::default().of(Tokens(5), Tokens(5)), Money(0));
    }
}
