//! The load program: what an answer costs, and what handling costs.
//!
//! `cargo bench -p hookbox --bench load [-- --seconds 5 --rounds 5 --rate 500]`
//!
//! Posts signed, distinct `chat.push` bodies over 64 connections, at full speed
//! and at a steady rate, to three child processes in alternating rounds: a
//! native axum server that verifies, parses and answers ([`native`]), the host
//! without a plugin, and the host with one Rust plugin. All have the same number
//! of threads for HTTP; CPU time is each child's own.
//!
//! `cargo bench -p hookbox --bench load -- --hostile [--pairs 7 --seconds 2 --rate 500] [--all | --only NAME]`
//!
//! Measures instead what the ingest path notices of each kind of harm ([`hostile`]).
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people"
)]

mod client;
mod folder;
mod harm;
mod hostile;
mod kinds;
mod native;
mod options;
mod peer;
mod report;
mod villain;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use options::Options;
use peer::Peer;
use report::{Round, Summary};
use tokio::runtime::Runtime;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().map(String::as_str) == Some("--native-peer") {
        native::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options::parse(args)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all();
    if options.hostile {
        let runtime = runtime.on_thread_start(client::go_first).build()?;
        return hostile::measure(&options, &runtime);
    }
    let runtime = runtime.build()?;
    costs(&options, &runtime)?;
    Ok(ExitCode::SUCCESS)
}

/// The log's filter where the log is not what is measured.
const FEW: &str = "warn,hookbox::cli=info";

/// What an answer costs, and what handling costs.
fn costs(options: &Options, runtime: &Runtime) -> Result<(), Box<dyn Error>> {
    eprintln!("building the plugin order-finder …");
    let plugin = peer::build_plugin()?;
    let peers = [
        Peer::native()?,
        Peer::host("host, no plugin", None, "", FEW)?,
        Peer::host("host, one plugin", Some(&plugin), "", FEW)?,
    ];

    // Not counted: caches fill, files grow to their usual size.
    for peer in &peers {
        eprintln!("warming up: {}", peer.name);
        runtime.block_on(client::full_speed(&peer.address, Duration::from_secs(2)))?;
        peer.wait_handled()?;
    }

    let mut full = vec![Vec::new(); peers.len()];
    let mut steady = vec![Vec::new(); peers.len()];
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for (index, peer) in peers.iter().enumerate() {
            let time = Duration::from_secs(options.seconds);
            full[index].push(Round::measure(peer, || {
                runtime.block_on(client::full_speed(&peer.address, time))
            })?);
            steady[index].push(Round::measure(peer, || {
                let steady = client::steady(&peer.address, time, options.rate);
                Ok(runtime.block_on(steady)?.latencies)
            })?);
        }
    }
    println!(
        "\nFull speed, {} connections, {} rounds of {} s; medians",
        client::CONNECTIONS,
        options.rounds,
        options.seconds
    );
    report::print(&summaries(&peers, &full));
    println!("\nSteady, {} requests a second", options.rate);
    report::print(&summaries(&peers, &steady));
    Ok(())
}

fn summaries<'a>(peers: &'a [Peer], rounds: &[Vec<Round>]) -> Vec<Summary<'a>> {
    let pairs = peers.iter().zip(rounds);
    pairs
        .map(|(peer, rounds)| Summary::new(&peer.name, rounds))
        .collect()
}
