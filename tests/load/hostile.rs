//! What the ingest path notices of harm.
//!
//! For each kind of [`harm`](crate::harm) a host of its own with one good plugin, and
//! events at a steady rate. Windows alternate: without the harm, with it. An
//! answer's p99 with it must stay within twice what it is without, or within
//! 3 ms of it, whichever is more. Between two windows the host comes to rest, so that
//! switching is not measured.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hookbox_testkit::usage::Usage;
use hookbox_testkit::{Host, wait_for};
use tokio::runtime::Runtime;

use crate::client::{self, Steady};
use crate::harm::{self, Harm};
use crate::options::Options;
use crate::peer::{self, GOOD, Peer};
use crate::report::{median, quantile};

/// Load before each window that isn't measured.
const LEAD: Duration = Duration::from_millis(300);

/// What an answer may take longer, whatever it takes alone.
const SLACK: Duration = Duration::from_millis(3);

/// Where an answer takes longer than this without harm, the machine does other things,
/// and whatever harm does is hidden by them.
const BUSY: Duration = Duration::from_millis(10);

/// How long the host's CPU use is looked at, and how much of it is rest.
const LOOK: Duration = Duration::from_millis(200);
const REST: Duration = Duration::from_millis(20);

/// One window.
#[derive(Clone, Copy, Debug)]
struct Window {
    p99: Duration,
    worst: Duration,
    /// How much later than due this program sent; of 100, the last but one.
    late: Duration,
    /// Cores that the host kept busy.
    cores: f64,
    /// The part of the events that the good plugin had handled at the end.
    handled: f64,
}

/// Both kinds of windows of one kind of harm.
struct Row {
    name: &'static str,
    alone: Vec<Window>,
    beside: Vec<Window>,
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Fine,
    Over,
    /// Nothing: the machine was too busy.
    Busy,
}

pub(crate) fn measure(options: &Options, runtime: &Runtime) -> Result<ExitCode, Box<dyn Error>> {
    eprintln!("building the plugin {GOOD} …");
    let good = peer::build_plugin()?;
    let harms = harm::chosen(options)?;
    let started = Instant::now();
    let mut rows = Vec::new();
    for (index, harm) in harms.iter().enumerate() {
        let row = one(harm, &good, options, runtime)
            .map_err(|problem| format!("{}: {problem}", harm.name()))?;
        let minutes = started.elapsed().as_secs_f64() / 60.0;
        eprintln!(
            "{} of {}, {minutes:.1} min: {}",
            index + 1,
            harms.len(),
            row.line()
        );
        rows.push(row);
    }
    print(&rows, options);
    let names = |found: Found| {
        let found = rows.iter().filter(|row| row.found() == found);
        found.map(|row| row.name).collect::<Vec<_>>()
    };
    let (over, busy) = (names(Found::Over), names(Found::Busy));
    println!(
        "\n{} kinds of harm; over the bound: {} {}",
        rows.len(),
        over.len(),
        over.join(", ")
    );
    if !busy.is_empty() {
        println!(
            "The machine was too busy to tell (p99 without harm beyond {} ms), run these again: {}",
            BUSY.as_millis(),
            busy.join(", ")
        );
    }
    let fine = over.is_empty() && busy.is_empty() && !rows.is_empty();
    Ok(ExitCode::from(u8::from(!fine)))
}

fn one(
    harm: &Harm,
    good: &Path,
    options: &Options,
    runtime: &Runtime,
) -> Result<Row, Box<dyn Error>> {
    let peer = Peer::host("host", Some(good), harm.config(), "")?;
    let host = peer.as_host().ok_or("the peer is a host")?;
    harm.prepare(host);
    // Not counted: caches fill, files grow to their usual size.
    runtime.block_on(client::steady(&peer.address, 4 * LEAD, options.rate))?;
    let mut row = Row {
        name: harm.name(),
        alone: Vec::new(),
        beside: Vec::new(),
    };
    for pair in 1..=options.pairs {
        wait_rest(host)?;
        let alone = window(&peer, host, options, runtime)?;
        let lasting = harm.begin(host);
        let beside = window(&peer, host, options, runtime);
        harm.end(host, lasting);
        let beside = beside?;
        eprintln!(
            "  {}, pair {pair} of {}: p99 {:.2} ms, {:.2} ms beside it",
            row.name,
            options.pairs,
            ms(alone.p99),
            ms(beside.p99)
        );
        row.alone.push(alone);
        row.beside.push(beside);
    }
    Ok(row)
}

fn window(
    peer: &Peer,
    host: &Host,
    options: &Options,
    runtime: &Runtime,
) -> Result<Window, Box<dyn Error>> {
    let time = Duration::from_secs(options.seconds);
    let steady = |time| runtime.block_on(client::steady(&peer.address, time, options.rate));
    let lead = steady(LEAD)?;
    let (before, started) = (peer.usage()?, Instant::now());
    let Steady {
        mut latencies,
        mut late,
    } = steady(time)?;
    let (cpu, took) = (peer.usage()?.cpu - before.cpu, started.elapsed());
    latencies.sort_unstable();
    late.sort_unstable();
    let events = (lead.latencies.len() + latencies.len()) as f64;
    Ok(Window {
        p99: quantile(&latencies, 0.99),
        worst: quantile(&latencies, 1.0),
        late: quantile(&late, 0.99),
        cores: cpu.as_secs_f64() / took.as_secs_f64(),
        handled: 1.0 - pending(host, "limit=1000") as f64 / events,
    })
}

/// How many deliveries the good plugin has to handle yet.
fn pending(host: &Host, how_many: &str) -> usize {
    let path = format!("/api/deliveries?plugin={GOOD}&state=pending&{how_many}");
    let answer = host.api(&path);
    answer["deliveries"].as_array().map_or(0, Vec::len)
}

/// Waits until the good plugin has handled everything and the host does nothing: no
/// attempt of a villain runs any more.
fn wait_rest(host: &Host) -> Result<(), Box<dyn Error>> {
    wait_for("the good plugin to have handled everything", || {
        (pending(host, "limit=1") == 0).then_some(())
    });
    let mut last = Usage::of(host.pid())?;
    wait_for("the host to come to rest", || {
        std::thread::sleep(LOOK);
        let now = Usage::of(host.pid()).ok()?;
        let used = now.cpu.saturating_sub(last.cpu);
        last = now;
        (used <= REST).then_some(())
    });
    Ok(())
}

impl Row {
    fn p99(windows: &[Window]) -> Duration {
        Duration::from_secs_f64(Self::middle(windows, |window| window.p99.as_secs_f64()))
    }

    fn middle(windows: &[Window], value: impl Fn(&Window) -> f64) -> f64 {
        median(windows.iter().map(value).collect())
    }

    fn found(&self) -> Found {
        let (alone, beside) = (Self::p99(&self.alone), Self::p99(&self.beside));
        if beside > (alone * 2).max(alone + SLACK) {
            Found::Over
        } else if alone > BUSY {
            Found::Busy
        } else {
            Found::Fine
        }
    }

    fn line(&self) -> String {
        let (alone, beside) = (Self::p99(&self.alone), Self::p99(&self.beside));
        let worst = self.beside.iter().map(|window| window.worst).max();
        format!(
            "| {:<30} | {:>8.2} | {:>8.2} | {:>5.2} | {:>6.2} | {:>8.1} | {:>5.2} | {:>5.2} | {:>7.0} % | {} |",
            self.name,
            ms(alone),
            ms(beside),
            beside.as_secs_f64() / alone.as_secs_f64().max(1e-9),
            ms(beside) - ms(alone),
            ms(worst.unwrap_or_default()),
            Self::middle(&self.beside, |window| ms(window.late)),
            Self::middle(&self.beside, |window| window.cores),
            100.0 * Self::middle(&self.beside, |window| window.handled),
            match self.found() {
                Found::Fine => "ok",
                Found::Over => "OVER",
                Found::Busy => "too busy to tell",
            },
        )
    }
}

fn print(rows: &[Row], options: &Options) {
    println!(
        "\nSteady, {} requests a second, {} pairs of {} s without and with; medians\n",
        options.rate, options.pairs, options.seconds
    );
    println!(
        "| {:<30} | p99 alone | p99 beside | ratio | more ms | worst beside | sent late | cores | good handled |  |",
        "kind of harm"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
    for row in rows {
        println!("{}", row.line());
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
