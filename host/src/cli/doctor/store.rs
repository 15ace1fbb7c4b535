//! The store: whole, of this version, and who has it open.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::report::Report;
use crate::cli::operator::{note, text};
use crate::journal::sqlite::OpenError;
use crate::journal::sqlite::doctor::{Holder, StoreReport, examine};

const TOPIC: &str = "store";

/// The log is cut back at about this size; far above it somebody keeps it.
const LARGE_LOG: u64 = 256 << 20;

/// Up to here the check takes a moment.
const LARGE_STORE: u64 = 64 << 20;

/// How often the time is told.
const TICK: Duration = Duration::from_secs(1);

/// Who holds the folder, if that is known.
pub(super) fn look(folder: &Path, report: &mut Report) -> Option<Holder> {
    match patiently(folder) {
        Ok(None) => {
            report.ok(TOPIC, "none yet: the first start makes it");
            Some(Holder::Nobody)
        }
        Ok(Some(store)) => {
            judge(&store, report);
            Some(store.holder)
        }
        Err(error) => {
            let advice = "docs/operators.md says how to restore the data folder from a copy";
            report.problem(TOPIC, error.to_string(), Some(advice));
            None
        }
    }
}

/// Examines it, and shows that it isn't stuck: a large store takes minutes.
fn patiently(folder: &Path) -> Result<Option<StoreReport>, OpenError> {
    let mut ticker = None;
    let examined = examine(folder, &mut |bytes| {
        let what = format!("checking the whole store ({})", text::size(bytes));
        ticker = (bytes > LARGE_STORE).then(|| Ticker::start(&what));
    });
    drop(ticker);
    examined
}

/// A line on a terminal that tells the time, until it is dropped.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(what: &str) -> Self {
        let (stop, stopped) = channel::<()>();
        let what = what.to_owned();
        let run = move || {
            let mut out = std::io::stderr();
            if !out.is_terminal() {
                note(&what);
                return;
            }
            let started = Instant::now();
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let _ = write!(out, "\r\x1b[K{what}: {} s", started.elapsed().as_secs());
                let _ = out.flush();
            }
            let _ = write!(out, "\r\x1b[K");
        };
        Self {
            stop: Some(stop),
            thread: Some(thread::spawn(run)),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that would matter here.
            let _ = thread.join();
        }
    }
}

fn judge(store: &StoreReport, report: &mut Report) {
    match store.holder {
        Holder::Nobody => report.ok(TOPIC, "no host has it open"),
        Holder::Host(Some(process)) => {
            report.ok(TOPIC, format!("a host has it open (process {process})"));
        }
        Holder::Host(None) => report.ok(TOPIC, "a host has it open"),
    }
    if let Some(counts) = store.counts {
        report.ok(
            TOPIC,
            format!(
                "{} events; deliveries: {} pending, {} done, {} dead; outbox: {} pending, {} dead; {}, log {}",
                counts.events,
                counts.pending,
                counts.done,
                counts.dead,
                counts.outbox_pending,
                counts.outbox_dead,
                text::size(store.bytes),
                text::size(store.log_bytes),
            ),
        );
    }
    versions(store, report);
    match &store.damage {
        None => report.ok(TOPIC, "not checked whole: stop the host for that"),
        Some(damage) if damage.is_empty() => report.ok(TOPIC, "checked whole: no damage"),
        Some(damage) => report.problem(
            TOPIC,
            format!("{} is damaged: {}", store.file.display(), damage.join("; ")),
            Some("start no host on it; copy the folder away, and restore it from a copy (docs/operators.md)"),
        ),
    }
    if store.log_bytes > LARGE_LOG {
        report.warning(
            TOPIC,
            format!("its log has {}", text::size(store.log_bytes)),
            Some("a program that keeps the database open (a sqlite3 shell, a backup) holds it up: end it"),
        );
    }
}

fn versions(store: &StoreReport, report: &mut Report) {
    let (found, known) = (store.schema, store.known_schema);
    let held = store.holder != Holder::Nobody;
    if found > known {
        report.problem(
            TOPIC,
            format!("its schema version is {found}, and this program knows versions up to {known}"),
            Some("use the newer program that wrote it"),
        );
    } else if found < known && held {
        report.warning(
            TOPIC,
            format!("the host that runs is of an older version (schema {found}, here {known})"),
            Some("restart it with this program"),
        );
    } else if found < known {
        report.ok(
            TOPIC,
            format!("its schema version is {found}: the next start brings it to {known}"),
        );
    }
}
