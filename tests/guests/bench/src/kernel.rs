//! The same integer work for the guest and for the machine: a sieve and a mixing loop, memory and arithmetic.

/// Counts primes below `n` and folds the sieve into a checksum, `rounds` times.
#[must_use]
pub fn work(n: usize, rounds: u64) -> u64 {
    let mut sum = 0_u64;
    let mut sieve = vec![true; n];
    for round in 0..rounds {
        sieve.fill(true);
        let mut i = 2;
        while i * i < n {
            if sieve[i] {
                let mut multiple = i * i;
                while multiple < n {
                    sieve[multiple] = false;
                    multiple += i;
                }
            }
            i += 1;
        }
        for (i, prime) in sieve.iter().enumerate() {
            if *prime {
                let mut x = (i as u64) ^ round ^ sum;
                x ^= x >> 30;
                x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
                x ^= x >> 27;
                x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
                sum = sum.wrapping_add(x ^ (x >> 31));
            }
        }
    }
    sum
}
