//! A long backlog: the store is the queue, so a host with many pending
//! deliveries starts at once and works them off in bounded memory.
//!
//! `cargo test --workspace --test backlog` takes 100,000, as the gate does; for
//! a million:
//!
//! ```text
//! cargo test --workspace --test backlog -- --deliveries 1000000
//! ```
//!
//! Fills a journal through the library, then runs the real binary on it three
//! times: its plugin's file missing, dropped in, and there from the start. Prints
//! the times; asserts the most memory it ever had.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a test program"
)]

mod fill;

use std::time::Instant;

use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, HostOptions, wait_for};
use tempfile::TempDir;

/// The most resident memory that the host may ever have, in KiB.
const MOST_MEMORY: u64 = 300 * 1024;
/// Deliveries that each life of the host works off at least.
const ENOUGH: u64 = 30_000;

fn main() {
    let deliveries = match parse(std::env::args().skip(1)) {
        Ok(deliveries) => deliveries,
        Err(problem) => {
            eprintln!("{problem}");
            std::process::exit(2);
        }
    };
    let folder = TempDir::new().expect("a scratch folder");
    let before = Instant::now();
    fill::fill(&folder.path().join("data"), deliveries);
    println!(
        "backlog: {deliveries} pending, stored in {:.1?}",
        before.elapsed()
    );

    let mut host = start("without its plugin", &folder);
    let counts = host.api("/api/counts");
    assert_eq!(counts["pending"], deliveries, "{counts}");
    host.post_chat("late", "comes after all of them");
    host.drop_in(fill::PLUGIN, &handler());
    work_off(&mut host, "the plugin dropped in");

    let mut host = start("with its plugin", &folder);
    work_off(&mut host, "the plugin there");
    println!("backlog: {deliveries} pending ... ok");
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<u64, String> {
    let mut deliveries = 100_000;
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_default();
        deliveries = match arg.as_str() {
            "--deliveries" => value.parse().map_err(|_| format!("no number: {value:?}"))?,
            _ => return Err(format!("unknown: {arg}; known: --deliveries")),
        };
    }
    match deliveries {
        80_000.. => Ok(deliveries),
        _ => Err("--deliveries: at least 80000".into()),
    }
}

/// Starts the host and says how long that took.
fn start(how: &str, folder: &TempDir) -> Host {
    let options = HostOptions {
        folder: Some(folder.path().into()),
        log: "warn,hookbox::cli=info".into(),
        ..HostOptions::default()
    };
    let before = Instant::now();
    let host = Host::start(env!("CARGO_BIN_EXE_hookbox"), options);
    println!("backlog: ready {how} in {:.1?}", before.elapsed());
    check_memory(&host, "ready");
    host
}

/// Waits until enough is done, and stops the host.
fn work_off(host: &mut Host, how: &str) {
    let done = |host: &Host| host.api("/api/counts")["done"].as_u64().expect("a number");
    let (before, start) = (Instant::now(), done(host));
    let end = wait_for("enough to be done", || {
        let now = done(host);
        (now >= start + ENOUGH).then_some(now)
    });
    println!(
        "backlog: {} done in {:.1?}, {how}",
        end - start,
        before.elapsed()
    );
    check_memory(host, "at work");
    assert_eq!(host.stop().code(), Some(0));
}

fn check_memory(host: &Host, when: &str) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid()));
    let status = status.expect("it runs");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let most = most.and_then(|text| text.trim().strip_suffix(" kB"));
    let most: u64 = most.and_then(|text| text.parse().ok()).expect("KiB");
    println!("backlog: {} MiB at most, {when}", most / 1024);
    assert!(most < MOST_MEMORY, "{most} KiB {when}, bound {MOST_MEMORY}");
}

/// Handles everything and says nothing.
fn handler() -> Vec<u8> {
    wat::plugin(World::ChatPush, "", "(i32.const 16)")
}
