//! `wasi:random`: a generator of each attempt's own, and a bound of what it gives.
//!
//! The secure and the insecure interface are the same here: there is nothing to be
//! gained by a weaker one, and nothing of the host's in either.

use rand::rngs::{StdRng, SysRng};
use rand::{Rng as _, SeedableRng as _};
use wasmtime::component::Linker;

use crate::sandbox::state::State;
use crate::sandbox::stop::Stop;

const RANDOM: &str = "wasi:random/random@0.2.12";
const INSECURE: &str = "wasi:random/insecure@0.2.12";
const SEED: &str = "wasi:random/insecure-seed@0.2.12";

/// What is replaced, under the names that wasmtime-wasi has. A test notices when
/// they change.
pub(super) const REPLACED: [(&str, &str); 5] = [
    (RANDOM, "get-random-bytes"),
    (RANDOM, "get-random-u64"),
    (INSECURE, "get-insecure-random-bytes"),
    (INSECURE, "get-insecure-random-u64"),
    (SEED, "insecure-seed"),
];

/// A cryptographic generator (ChaCha), seeded by the system at its first use.
pub(in crate::sandbox) struct Random {
    generator: Option<StdRng>,
    given: u64,
    limit: u64,
}

impl Random {
    pub(in crate::sandbox) fn new(limit: u64) -> Self {
        Self {
            generator: None,
            given: 0,
            limit,
        }
    }

    /// Bytes, as far as the attempt may have more: checked before room for them is
    /// made.
    fn bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        let generator = self.take(length)?;
        let mut bytes = vec![0; usize::try_from(length)?];
        generator.fill_bytes(&mut bytes);
        Ok(bytes)
    }

    fn number(&mut self) -> wasmtime::Result<u64> {
        Ok(self.take(8)?.next_u64())
    }

    fn take(&mut self, length: u64) -> wasmtime::Result<&mut StdRng> {
        let (limit, asked) = (self.limit, self.given.saturating_add(length));
        if asked > limit {
            return Err(Stop::Random { limit, asked }.into());
        }
        self.given = asked;
        let generator = match self.generator.take() {
            Some(generator) => generator,
            None => StdRng::try_from_rng(&mut SysRng)?,
        };
        Ok(self.generator.insert(generator))
    }
}

/// Puts it in the place of wasmtime-wasi's, where the linker allows that.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let [bytes, number, insecure_bytes, insecure_number, seed] = REPLACED;
    for (interface, name) in [bytes, insecure_bytes] {
        let mut functions = linker.instance(interface)?;
        functions.func_wrap(name, |mut store, (length,): (u64,)| {
            Ok((store.data_mut().random().bytes(length)?,))
        })?;
    }
    for (interface, name) in [number, insecure_number] {
        let mut functions = linker.instance(interface)?;
        functions.func_wrap(name, |mut store, (): ()| {
            Ok((store.data_mut().random().number()?,))
        })?;
    }
    let (interface, name) = seed;
    linker
        .instance(interface)?
        .func_wrap(name, |mut store, (): ()| {
            let random = store.data_mut().random();
            Ok(((random.number()?, random.number()?),))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_counts_in_all_and_is_never_more_than_the_limit() {
        let mut random = Random::new(20);
        assert_eq!(random.bytes(12).expect("within it").len(), 12);
        random.number().expect("exactly the rest");
        for length in [1, u64::MAX] {
            let error = random.bytes(length).expect_err("past it");
            let stop: Option<&Stop> = error.downcast_ref();
            let (limit, asked) = (20, 20_u64.saturating_add(length));
            assert_eq!(stop, Some(&Stop::Random { limit, asked }));
        }
    }

    #[test]
    fn two_attempts_get_different_bytes_and_neither_pays_before_it_asks() {
        let mut both = [Random::new(64), Random::new(64)];
        assert!(both.iter().all(|random| random.generator.is_none()));
        let [a, b] = both.each_mut().map(|random| random.bytes(32));
        assert_ne!(a.expect("within it"), b.expect("within it"));
    }
}
