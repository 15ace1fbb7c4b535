//! The crash harness: a host that dies again and again under load must lose
//! nothing that it answered 200, and count everything once.
//!
//! `cargo test --workspace --test crash` does 20 rounds, as the gate does. More:
//!
//! ```text
//! cargo test --workspace --test crash -- --rounds 200 --kind kill
//! cargo test --workspace --test crash -- --rounds 200 --kind power
//! ```
//!
//! | kind | the host dies |
//! | --- | --- |
//! | `kill` | of `kill -9` at a random moment |
//! | `points` | by its own hand at a named point ([`host/src/crash.rs`]) |
//! | `power` | of a power cut: what wasn't synced is lost, or torn ([`disk`]) |
//! | `all` | of these in turn |
//!
//! All rounds use one data folder. Clients send numbers, each until it is
//! answered 200; a plugin counts them in a counter and in key-value and has each
//! sent to a server that writes down what arrives. Every few rounds everything
//! is worked off and compared. A run is repeated with the `--seed` that it
//! prints, as far as threads allow; after a failure the folder is kept.
//!
//! [`host/src/crash.rs`]: ../../host/src/crash.rs
//! [`disk`]: hookbox_testkit::disk
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a test program"
)]

mod check;
mod ledger;
mod load;
mod options;
mod plugin;
mod rounds;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::options::Options;
use self::rounds::Run;

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            std::process::exit(2);
        }
    };
    println!("crash: {options}");
    let mut run = Run::new(options);
    let ended = catch_unwind(AssertUnwindSafe(|| run.all()));
    if let Err(panic) = ended {
        let folder = run.keep();
        eprintln!(
            "failed in round {} of {}; the folder is kept: {}; to repeat it: \
             cargo test --workspace --test crash -- {}",
            run.round,
            options.rounds,
            folder.display(),
            options.arguments(),
        );
        resume_unwind(panic);
    }
    println!("{} ... ok", run.summary());
}
