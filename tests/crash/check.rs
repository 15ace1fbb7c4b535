//! The comparison of what the host has with what was sent.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use hookbox::journal::sqlite::SqliteJournal;
use hookbox::journal::{
    Inspect as _, JournalOptions, KeyValue as _, OutboxFilter, OutboxState, Upkeep as _,
};
use hookbox::types::{EndpointName, PluginKey, PluginName};
use hookbox_testkit::recorder::{Received, Recorder};
use hookbox_testkit::{Host, wait_for};

use crate::ledger::Ledger;
use crate::plugin;

/// Waits until everything is worked off, stops the host and compares.
pub(crate) fn check(host: &mut Host, ledger: &Ledger, recorder: &Recorder) {
    let numbers = ledger.numbers();
    assert_eq!(
        ledger.answers(),
        numbers,
        "each number is answered 200 once"
    );
    let counts = wait_for("everything to be worked off", || {
        let counts = host.api("/api/counts");
        let is_zero = |name: &str| counts[name] == 0;
        (is_zero("pending") && is_zero("outbox_pending")).then_some(counts)
    });
    assert_eq!(counts["dead"], 0, "{counts}");
    assert_eq!(counts["outbox_dead"], 0, "{counts}");
    assert_eq!(host.stop().code(), Some(0));
    arrived(&recorder.received(), numbers);
    stored(&host.data(), numbers);
}

/// Each number arrived, under one key of its own.
fn arrived(received: &[Received], numbers: u64) {
    let mut keys: HashMap<u64, &str> = HashMap::new();
    let mut numbers_of: HashMap<&str, u64> = HashMap::new();
    for request in received {
        let text = String::from_utf8_lossy(&request.body);
        let number = text.parse().expect("the body is a number");
        let key = request.header("idempotency-key").expect("a key");
        let known = *keys.entry(number).or_insert(key);
        assert_eq!(known, key, "number {number} has two keys");
        let known = *numbers_of.entry(key).or_insert(number);
        assert_eq!(known, number, "key {key} is of two numbers");
    }
    let missing = (0..numbers).filter(|number| !keys.contains_key(number));
    let missing: Vec<u64> = missing.take(20).collect();
    assert_eq!(missing, [0; 0], "these, or more, never arrived");
    assert_eq!(keys.len() as u64, numbers, "numbers that nobody sent");
}

/// What the store has, read without the host.
fn stored(data: &Path, numbers: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let journal = SqliteJournal::open(data, JournalOptions::default(), Arc::new(|_| {}));
        let journal = journal.expect("it opens");
        let key = PluginKey {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new(plugin::NAME).expect("a name"),
        };
        let counters = journal.counters(key.clone()).await.expect("the counters");
        let counters: Vec<_> = counters.iter().map(|c| (&*c.name, c.value)).collect();
        assert_eq!(counters, [(plugin::COUNTER, numbers.cast_signed())]);

        let keys = plugin::kv_keys().collect();
        let entries = journal.kv_get(&key, plugin::BUCKET, keys).await;
        let sum: u64 = entries
            .expect("the entries")
            .iter()
            .flatten()
            .map(|entry| {
                let text = std::str::from_utf8(&entry.value).expect("digits");
                text.parse::<u64>().expect("digits")
            })
            .sum();
        assert_eq!(sum, numbers, "counted in key-value");
        requests(&journal, key).await;
        journal.close().await;
    });
    let file = rusqlite::Connection::open(data.join("journal.sqlite")).expect("the file");
    let verdict = file.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(verdict.expect("a verdict"), "ok");
}

/// The requests that are still on record were sent, and one for each delivery.
async fn requests(journal: &SqliteJournal, plugin: PluginKey) {
    let mut filter = OutboxFilter {
        plugin: Some(plugin),
        ..OutboxFilter::default()
    };
    let mut deliveries = BTreeSet::new();
    loop {
        let page = journal
            .outbox(filter.clone(), 1000)
            .await
            .expect("requests");
        let Some(last) = page.last() else { return };
        filter.before = Some(last.id);
        for record in &page {
            assert_eq!(record.state, OutboxState::Sent, "{record:?}");
            assert!(deliveries.insert(record.delivery), "twice: {record:?}");
        }
    }
}
