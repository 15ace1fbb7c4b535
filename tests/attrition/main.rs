//! Attrition: hostile plugins, attempt after attempt, leave nothing behind in the
//! host: neither memory nor open files.
//!
//! `cargo test --workspace --test attrition` makes 5,000 attempts, as the gate does;
//! for a hundred thousand:
//!
//! ```text
//! cargo test --workspace --test attrition -- --attempts 100000
//! ```
//!
//! One host has all villains of the catalogue at once, each a plugin of its own with
//! 5 ms of CPU time and 50 ms in all, and a good plugin. Every event is for all of
//! them. First the store's caches, whose sizes are fixed, are filled. Events are posted
//! as fast as they are worked off; now and then a villain's file is replaced by another
//! version. The host's allocator is set as in `docs/hookbox.service`. Memory and open
//! files are looked at when the host rests: after the first 1,000 attempts, ten times
//! on the way, and at the end.
//! Asserted are the [bounds](bounds), that each request was answered 200, that the
//! good plugin handled each event, and that the host neither panicked nor ended.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a test program"
)]

mod bounds;
mod options;
mod siege;
#[path = "../load/villain.rs"]
mod villain;

use std::time::Instant;

use self::bounds::Sample;
use self::options::Options;
use self::siege::Siege;

/// Attempts before memory is looked at for the first time.
const FIRST: u64 = 1_000;
/// How often it is looked at from then on.
const LOOKS: u64 = 10;
/// Attempts between two replacements.
const REPLACE_EVERY: u64 = 500;

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            std::process::exit(2);
        }
    };
    println!("attrition: {options}");
    let mut siege = Siege::begin(options.seed);
    let started = Instant::now();
    siege.attempts(FIRST, None);
    let first = look(&mut siege, started);
    let mut last = first;
    for step in 1..=LOOKS {
        let goal = FIRST + (options.attempts - FIRST) * step / LOOKS;
        siege.attempts(goal, Some(REPLACE_EVERY));
        last = look(&mut siege, started);
    }
    siege.check();
    if let Err(problem) = bounds::hold(&first, &last) {
        panic!("{problem}; to repeat it: cargo test --workspace --test attrition -- {options}");
    }
    println!("{} ... ok", siege.summary());
}

/// Waits for the host to rest, and says how it is then.
fn look(siege: &mut Siege, started: Instant) -> Sample {
    let sample = siege.rest();
    println!("attrition: {sample}, after {:.0?}", started.elapsed());
    sample
}
