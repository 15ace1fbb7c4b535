//! From rounds to a table.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use crate::client::Latencies;
use crate::peer::Peer;

/// One round of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    answers_per_second: f64,
    handled_per_second: f64,
    p50: Duration,
    p99: Duration,
    p999: Duration,
    cpu_us_per_event: f64,
    resident: u64,
}

impl Round {
    /// Runs `load` and waits until what it posted is handled.
    pub(crate) fn measure(
        peer: &Peer,
        load: impl FnOnce() -> io::Result<Latencies>,
    ) -> Result<Self, Box<dyn Error>> {
        let before = peer.usage()?;
        let started = Instant::now();
        let mut latencies = load()?;
        let answered = started.elapsed();
        peer.wait_handled()?;
        let handled = started.elapsed();
        let after = peer.usage()?;

        latencies.sort_unstable();
        let count = latencies.len().max(1) as f64;
        Ok(Self {
            answers_per_second: count / answered.as_secs_f64(),
            handled_per_second: count / handled.as_secs_f64(),
            p50: quantile(&latencies, 0.5),
            p99: quantile(&latencies, 0.99),
            p999: quantile(&latencies, 0.999),
            cpu_us_per_event: (after.cpu - before.cpu).as_secs_f64() * 1e6 / count,
            resident: after.resident,
        })
    }
}

/// The `q`-quantile of sorted times.
pub(crate) fn quantile(sorted: &[Duration], q: f64) -> Duration {
    let index = (sorted.len() as f64 * q) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// The medians of a peer's rounds.
pub(crate) struct Summary<'a> {
    name: &'a str,
    round: Round,
}

impl<'a> Summary<'a> {
    pub(crate) fn new(name: &'a str, rounds: &[Round]) -> Self {
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let time = |value: fn(&Round) -> Duration| {
            let mut times: Vec<Duration> = rounds.iter().map(value).collect();
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        Self {
            name,
            round: Round {
                answers_per_second: of(|round| round.answers_per_second),
                handled_per_second: of(|round| round.handled_per_second),
                p50: time(|round| round.p50),
                p99: time(|round| round.p99),
                p999: time(|round| round.p999),
                cpu_us_per_event: of(|round| round.cpu_us_per_event),
                resident: rounds.iter().map(|round| round.resident).max().unwrap_or(0),
            },
        }
    }
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Prints the table; ratios are against the first peer.
pub(crate) fn print(summaries: &[Summary<'_>]) {
    println!(
        "| {:<16} | {:>9} | {:>5} | {:>9} | {:>5} | {:>8} | {:>8} | {:>9} | {:>10} | {:>7} |",
        "",
        "answers/s",
        "ratio",
        "handled/s",
        "ratio",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "CPU µs/evt",
        "RSS MiB"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let Some(base) = summaries
        .first()
        .map(|first| first.round.answers_per_second)
    else {
        return;
    };
    for Summary { name, round } in summaries {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "| {name:<16} | {:>9.0} | {:>5.2} | {:>9.0} | {:>5.2} | {:>8.2} | {:>8.2} | {:>9.2} | {:>10.1} | {:>7.1} |",
            round.answers_per_second,
            round.answers_per_second / base,
            round.handled_per_second,
            round.handled_per_second / base,
            ms(round.p50),
            ms(round.p99),
            ms(round.p999),
            round.cpu_us_per_event,
            round.resident as f64 / f64::from(1 << 20),
        );
    }
}
