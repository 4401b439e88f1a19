//! The same integer work for the guest and for the machine, in two shapes: a sieve, whose loops have three instructions, so that
//! what a limit adds to each turn weighs most; and a hash, whose loop has some thirty, as most work of agents has.

/// Counts primes below `n` and folds the sieve into a checksum, `rounds` times.
#[must_use]
pub fn sieve(n: usize, rounds: u64) -> u64 {
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

/// Hashes `words` words `rounds` times: multiplications that wait for each other, which no compiler makes parallel.
#[must_use]
pub fn hash(words: usize, rounds: u64) -> u64 {
    let data: Vec<u64> = (0..words as u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..rounds {
        state ^= round;
        for eight in data.chunks_exact(8) {
            for word in eight {
                state = (state ^ word).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            }
        }
    }
    state
}
