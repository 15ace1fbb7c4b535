//! What the engine promises, on real files.

mod again;
mod cleaning;
mod conflicts;
mod deduping;
mod ending;
mod entries;
mod files;
mod finishing;
mod history;
mod listing;
mod migrating;
mod model;
mod quotas;
mod routing;
mod sending;
mod trouble;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::{SqliteJournal, Tuning};
use crate::journal::{
    Appended, Feed, FeedItem, Finish, Inspect as _, Installed, Intake as _, JournalOptions, Keep,
    NewEvent, Next, Queue as _, Roster as _, Routed, Upkeep as _,
};
use crate::types::effects::{HeaderPair, KvKey, KvWrite, OutgoingRequest};
use crate::types::event::Event;
use crate::types::{
    DedupeKey, DeliveryId, Effects, EndpointName, EventId, Payload, PluginKey, PluginName,
    Subscription, UnixMicros,
};

/// A journal on a scratch folder, and what it announced.
struct Bench {
    folder: TempDir,
    options: JournalOptions,
    tuning: Tuning,
    heard: Arc<Mutex<Vec<FeedItem>>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(JournalOptions::default())
    }

    fn with(options: JournalOptions) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a scratch folder"),
            options,
            tuning: Tuning::default(),
            heard: Arc::default(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn feed(&self) -> Feed {
        let heard = Arc::clone(&self.heard);
        Arc::new(move |item| heard.lock().expect("not poisoned").push(item))
    }

    fn open(&self) -> SqliteJournal {
        let (options, tuning) = (self.options.clone(), self.tuning.clone());
        SqliteJournal::open_tuned(self.path(), options, tuning, self.feed()).expect("it opens")
    }

    fn routed(&self) -> Vec<Routed> {
        let heard = self.heard.lock().expect("not poisoned");
        heard
            .iter()
            .flat_map(|item| match item {
                FeedItem::Routed(routed) => routed.clone(),
                FeedItem::Reread | FeedItem::Manual(_) | FeedItem::Queued => Vec::new(),
            })
            .collect()
    }

    /// How often the outbox was announced.
    fn queued(&self) -> usize {
        let heard = self.heard.lock().expect("not poisoned");
        let queued = heard.iter().filter(|item| matches!(item, FeedItem::Queued));
        queued.count()
    }

    /// The plugins that had deliveries by hand announced.
    fn manual(&self) -> Vec<PluginKey> {
        let heard = self.heard.lock().expect("not poisoned");
        heard
            .iter()
            .filter_map(|item| match item {
                FeedItem::Manual(plugin) => Some(plugin.clone()),
                _ => None,
            })
            .collect()
    }

    /// The deliveries that were routed, in order.
    fn deliveries(&self) -> Vec<DeliveryId> {
        self.routed().iter().map(|one| one.delivery).collect()
    }

    /// Rows of a table, counted from outside.
    fn rows(&self, table: &str) -> i64 {
        self.sql()
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .expect("read")
    }

    /// Looks into the file from outside.
    fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path().join(super::FILE)).expect("the file")
    }
}

const NOW: UnixMicros = UnixMicros(1_790_000_000_000_000);

fn later(seconds: u64) -> UnixMicros {
    NOW.after(Duration::from_secs(seconds))
}

fn event_of(body: &str, received_at: UnixMicros) -> Event {
    Event {
        id: EventId::generate(),
        endpoint: EndpointName::default_endpoint(),
        event_type: "chat.push".into(),
        agent_id: Some("A1".into()),
        session_id: Some("s1".into()),
        occurred_at: Some(1_790_607_268.895_705),
        received_at,
        test_header: false,
        body: Bytes::copy_from_slice(body.as_bytes()),
        payload: Payload::Other,
    }
}

fn new(event: Event) -> NewEvent {
    NewEvent {
        dedupe: Some(DedupeKey::of_body(&event.body)),
        event: Arc::new(event),
    }
}

fn at(body: &str, received_at: UnixMicros) -> NewEvent {
    new(event_of(body, received_at))
}

fn plugin(name: &str) -> PluginKey {
    PluginKey {
        endpoint: EndpointName::default_endpoint(),
        plugin: PluginName::new(name).expect("a name"),
    }
}

fn everything(name: &str) -> Installed {
    Installed {
        key: plugin(name),
        subscription: Subscription::default(),
    }
}

fn outcome(delivery: DeliveryId, next: Next) -> Finish {
    Finish {
        delivery,
        next,
        attempts: 1,
        traps: 0,
        started_at: NOW,
        duration: Duration::from_millis(3),
        cpu: Duration::from_millis(1),
        peak_memory: 65_536,
        log: Vec::new(),
        effects: Effects::default(),
    }
}

/// A journal with plugin `a` and this many deliveries for it.
async fn journal_with(bench: &Bench, events: usize) -> SqliteJournal {
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    for n in 0..events {
        store(&journal, at(&n.to_string(), NOW)).await;
    }
    journal
}

fn dead(delivery: DeliveryId) -> Finish {
    let reason = "no".into();
    outcome(delivery, Next::Dead { reason })
}

fn retry_at(delivery: DeliveryId, seconds: u64) -> Finish {
    let (due_at, reason) = (later(seconds), "not now".into());
    outcome(delivery, Next::Retry { due_at, reason })
}

fn kv_key(bucket: &str, key: &str) -> KvKey {
    KvKey {
        bucket: bucket.into(),
        key: key.into(),
    }
}

/// A write into bucket `b`.
fn put(key: &str, value: &str) -> KvWrite {
    KvWrite {
        at: kv_key("b", key),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    }
}

fn delete(key: &str) -> KvWrite {
    KvWrite {
        at: kv_key("b", key),
        value: None,
    }
}

/// A handled delivery that wrote this.
fn writing(delivery: DeliveryId, writes: Vec<KvWrite>) -> Finish {
    let mut finish = outcome(delivery, Next::Done);
    finish.effects.kv.writes = writes;
    finish
}

fn request(url: &str) -> OutgoingRequest {
    OutgoingRequest {
        method: "POST".into(),
        url: url.into(),
        headers: vec![HeaderPair {
            name: "x-token".into(),
            value: "secret".into(),
        }],
        body: Bytes::from_static(b"{\"n\":1}"),
    }
}

/// A handled delivery that wants these sent.
fn wanting(delivery: DeliveryId, urls: &[&str]) -> Finish {
    let mut finish = outcome(delivery, Next::Done);
    finish.effects.outbox = urls.iter().map(|url| request(url)).collect();
    finish
}

async fn store(journal: &SqliteJournal, new: NewEvent) -> usize {
    match journal.append(new).await.expect("it is stored") {
        Appended::Stored { deliveries, .. } => deliveries,
        Appended::Duplicate { of } => panic!("taken for a duplicate of {of}"),
    }
}

/// Keeps what is not older than this.
fn received_since(since: UnixMicros) -> Keep {
    Keep { since, bytes: None }
}
