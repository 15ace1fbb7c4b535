//! The load program: what an answer costs, and what handling costs.
//!
//! `cargo bench -p hookbox --bench load [-- --seconds 5 --rounds 5 --rate 500]`
//!
//! Posts signed, distinct `chat.push` bodies over 64 connections, at full speed
//! and at a steady rate, to three child processes in alternating rounds: a
//! native axum server that verifies, parses and answers ([`native`]), the host
//! without a plugin, and the host with one Rust plugin. All have the same number
//! of threads for HTTP; CPU time is each child's own.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people"
)]

mod client;
mod native;
mod peer;
mod report;

use std::error::Error;
use std::time::Duration;

use peer::Peer;
use report::{Round, Summary};

/// What the command line says.
#[derive(Clone, Copy, Debug)]
struct Options {
    seconds: u64,
    rounds: usize,
    rate: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().map(String::as_str) == Some("--native-peer") {
        return native::serve();
    }
    let options = parse(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;

    eprintln!("building the plugin order-finder …");
    let plugin = peer::build_plugin()?;
    let peers = [
        Peer::native()?,
        Peer::host("host, no plugin", None)?,
        Peer::host("host, one plugin", Some(&plugin))?,
    ];

    // Not counted: caches fill, files grow to their usual size.
    for peer in &peers {
        eprintln!("warming up: {}", peer.name);
        runtime.block_on(client::full_speed(peer, Duration::from_secs(2)))?;
        peer.wait_handled()?;
    }

    let mut full = vec![Vec::new(); peers.len()];
    let mut steady = vec![Vec::new(); peers.len()];
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for (index, peer) in peers.iter().enumerate() {
            let time = Duration::from_secs(options.seconds);
            full[index].push(Round::measure(peer, || {
                runtime.block_on(client::full_speed(peer, time))
            })?);
            steady[index].push(Round::measure(peer, || {
                runtime.block_on(client::steady(peer, time, options.rate))
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

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        seconds: 5,
        rounds: 5,
        rate: 500,
    };
    while let Some(arg) = args.next() {
        let mut number = || -> Result<u64, Box<dyn Error>> {
            let value = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
            Ok(value.parse()?)
        };
        match arg.as_str() {
            "--seconds" => options.seconds = number()?.max(1),
            "--rounds" => options.rounds = usize::try_from(number()?)?.max(1),
            "--rate" => options.rate = number()?.max(1),
            // cargo bench passes this to every benchmark.
            "--bench" => {}
            other => {
                return Err(
                    format!("unknown argument {other}; known: --seconds --rounds --rate").into(),
                );
            }
        }
    }
    Ok(options)
}
