//! Fills a journal, without a host.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hookbox::journal::sqlite::SqliteJournal;
use hookbox::journal::{
    Installed, Intake as _, JournalOptions, NewEvent, Roster as _, Upkeep as _,
};
use hookbox::types::event::Event;
use hookbox::types::{
    DedupeKey, EndpointName, EventId, PluginKey, PluginName, Subscription, UnixMicros, envelope,
};
use tokio::task::JoinSet;

/// The plugin that everything is for.
pub(crate) const PLUGIN: &str = "idle";

/// Appending tasks: enough for large batches.
const PRODUCERS: u64 = 400;
/// Sessions that the events belong to.
const SESSIONS: u64 = 50_000;
/// Bytes that each body is longer than it need be.
const PADDING: usize = 600;

/// Stores that many events, each with one delivery.
pub(crate) fn fill(data: &Path, count: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let journal = SqliteJournal::open(data, JournalOptions::default(), Arc::new(|_| {}));
        let journal = Arc::new(journal.expect("it opens"));
        let key = PluginKey {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new(PLUGIN).expect("a name"),
        };
        let installed = Installed {
            key,
            subscription: Subscription::default(),
        };
        journal.install(installed).await.expect("it is installed");
        let mut tasks = JoinSet::new();
        for producer in 0..PRODUCERS {
            let journal = Arc::clone(&journal);
            tasks.spawn(async move {
                for number in (producer..count).step_by(PRODUCERS as usize) {
                    journal.append(event(number)).await.expect("it is stored");
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no panic");
        }
        journal.close().await;
    });
}

fn event(number: u64) -> NewEvent {
    let session = format!("s-{}", number % SESSIONS);
    let padding = "-".repeat(PADDING);
    let body = format!(
        r#"{{"event_type":"chat.push","agent_id":"A","timestamp":{number},"padding":"{padding}",
        "data":{{"role":"user","message":"{number}","session_id":"{session}","timestamp":1}}}}"#
    );
    let payload = envelope::decode_payload("chat.push", body.as_bytes());
    NewEvent {
        dedupe: Some(DedupeKey::of_body(body.as_bytes())),
        event: Arc::new(Event {
            id: EventId::generate(),
            endpoint: EndpointName::default_endpoint(),
            event_type: "chat.push".into(),
            agent_id: Some("A".into()),
            session_id: Some(session),
            occurred_at: None,
            received_at: UnixMicros::now(),
            test_header: false,
            body: Bytes::from(body),
            payload,
        }),
    }
}
