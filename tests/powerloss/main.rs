//! Power loss: everything that was acknowledged is there afterwards.
//!
//! A child process (this program again) appends and finishes as fast as it can
//! and says what was acknowledged. Preloaded into it is a disk that at some
//! write or sync throws away what no sync had made sure, or part of it. Then
//! the parent opens what is left and compares. The same is shown to find losses
//! when commits aren't synced, so the test can fail.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a test program"
)]

mod child;
mod disk;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use hookbox::journal::sqlite::SqliteJournal;
use hookbox::journal::{DeliveryFilter, DeliveryState, Inspect as _, JournalOptions, Upkeep as _};
use hookbox::types::{DeliveryId, EventId};

use self::child::{CHILD, Mode, plugin};
use self::disk::{Disk, Life};

/// Folders, each with its own chance.
const FOLDERS: u64 = 12;
/// Power cuts of one folder, one after another.
const CUTS: u64 = 3;

fn main() {
    if let Some(folder) = std::env::var_os(CHILD) {
        child::run(Path::new(&folder));
        return;
    }
    let disk = Disk::build();
    let mut acknowledged = 0;
    for seed in 0..FOLDERS {
        acknowledged += survives(&disk, Mode::Synced, seed, None);
    }
    assert!(acknowledged > 500, "only {acknowledged} acknowledgements");
    println!("power loss: {acknowledged} acknowledgements, none lost ... ok");

    let before = disk.reopened.get();
    let mut acknowledged = 0;
    // More of them: what a failed sync breaks shows only at some later cuts.
    for seed in 0..FOLDERS * 2 {
        acknowledged += survives(&disk, Mode::Synced, 100 + seed, Some(30 + seed * 5));
    }
    assert!(disk.reopened.get() > before, "no failed sync hit a commit");
    println!("a failed sync, then power loss: {acknowledged} acknowledgements, none lost ... ok");

    let losses = (0..4).filter(|seed| loses(&disk, *seed)).count();
    assert!(
        losses > 0,
        "the test doesn't see what unsynced commits lose"
    );
    println!("power loss without syncs: lost in {losses} of 4 folders, as it must be ... ok");
}

/// What one folder's child processes had acknowledged.
#[derive(Default)]
struct Known {
    /// Events, with their bodies.
    stored: HashMap<EventId, String>,
    /// Deliveries that were handled.
    finished: Vec<DeliveryId>,
}

impl Known {
    fn learn(&mut self, life: &Life) {
        for line in &life.lines {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["stored", id, body] => {
                    let id = id.parse().expect("an id");
                    self.stored.insert(id, body.to_owned());
                }
                ["finished", id] => self
                    .finished
                    .push(DeliveryId(id.parse().expect("a number"))),
                _ => {}
            }
        }
    }
}

/// Lets a folder's power go again and again; panics if anything is missing.
fn survives(disk: &Disk, mode: Mode, seed: u64, fail_sync: Option<u64>) -> usize {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut known = Known::default();
    for cut in 0..CUTS {
        let seed = seed * CUTS + cut;
        let life = disk.live(folder.path(), mode, seed, fail_sync);
        known.learn(&life);
        if let Err(missing) = compare(folder.path(), &known) {
            panic!("seed {seed}, cut at step {}: {missing}", life.cut_at);
        }
        if fail_sync.is_some() {
            let said = |word: &str| life.lines.iter().any(|line| line == word);
            // The cut may come before the sync that fails, and a checkpoint's
            // failed sync is nobody's failed write.
            disk.reopened
                .update(|count| count + usize::from(said("reread")));
        }
    }
    known.stored.len() + known.finished.len()
}

/// Whether anything is missing after commits that weren't synced.
fn loses(disk: &Disk, seed: u64) -> bool {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut known = Known::default();
    known.learn(&disk.live(folder.path(), Mode::Unsynced, seed, None));
    compare(folder.path(), &known).is_err()
}

/// Opens what is left and looks for everything that is known.
fn compare(folder: &Path, known: &Known) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    // From a copy: the next life starts from what the cut left, log included.
    let copy = tempfile::tempdir().expect("a scratch folder");
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
    }
    runtime.block_on(async {
        let journal = SqliteJournal::open(copy.path(), JournalOptions::default(), Arc::new(|_| {}))
            .map_err(|error| error.to_string())?;
        for (id, body) in &known.stored {
            let found = journal
                .event(*id)
                .await
                .map_err(|error| error.to_string())?;
            let found = found.ok_or_else(|| format!("event {id} is lost"))?;
            if found.event.body != body.as_bytes() {
                return Err(format!("event {id} has another body"));
            }
        }
        let done = DeliveryFilter {
            state: Some(DeliveryState::Done),
            ..DeliveryFilter::default()
        };
        let done = journal
            .deliveries(done, usize::MAX)
            .await
            .map_err(|error| error.to_string())?;
        for id in &known.finished {
            if !done.iter().any(|record| record.id == *id) {
                return Err(format!("the outcome of delivery {id} is lost"));
            }
        }
        // Each outcome counted once, or was not stored at all.
        let counters = journal
            .counters(plugin())
            .await
            .map_err(|error| error.to_string())?;
        let counted = counters.first().map_or(0, |counter| counter.value);
        if usize::try_from(counted).ok() != Some(done.len()) {
            return Err(format!("{} outcomes, counted {counted}", done.len()));
        }
        let counts = journal.counts().await.map_err(|error| error.to_string())?;
        if counts.pending + counts.done != counts.events {
            return Err(format!("an event without its delivery: {counts:?}"));
        }
        journal.close().await;
        Ok(())
    })?;
    let file = rusqlite::Connection::open(copy.path().join("journal.sqlite"))
        .map_err(|error| error.to_string())?;
    let verdict: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(format!("the file is damaged: {verdict}"))
    }
}
