//! The process whose power goes.

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookbox::journal::sqlite::{SqliteJournal, Tuning};
use hookbox::journal::{
    Appended, Feed, FeedItem, Finish, Installed, Intake as _, JournalError, JournalOptions,
    NewEvent, Next, Queue as _, Roster as _,
};
use hookbox::types::effects::CounterAdd;
use hookbox::types::event::Event;
use hookbox::types::{
    DedupeKey, DeliveryId, Effects, EndpointName, EventId, Payload, PluginKey, PluginName,
    Subscription, UnixMicros,
};
use tokio::sync::mpsc;

/// Makes this program the child; holds its data folder.
pub(crate) const CHILD: &str = "POWERLOSS_CHILD";

/// Appending tasks.
const PRODUCERS: u64 = 8;

/// Whether commits are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Synced,
    Unsynced,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Unsynced => "unsynced",
        }
    }
}

/// The plugin that gets everything.
pub(crate) fn plugin() -> PluginKey {
    PluginKey {
        endpoint: EndpointName::default_endpoint(),
        plugin: PluginName::new("counts").expect("a name"),
    }
}

/// Appends and finishes until the power goes, or the journal gives up.
pub(crate) fn run(folder: &Path) {
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(std::io::stderr(), "{panic}");
        std::process::exit(1);
    }));
    let unsynced = std::env::var("POWERLOSS_MODE").is_ok_and(|mode| mode == Mode::Unsynced.name());
    let tuning = Tuning {
        unsafe_no_sync: unsynced,
        // So small that checkpoints are among what the cut interrupts.
        log_bound: 256 * 1024,
        ..Tuning::default()
    };
    let (sender, mut deliveries) = mpsc::unbounded_channel();
    let feed: Feed = Arc::new(move |item| match item {
        FeedItem::Routed(routed) => {
            for one in routed {
                sender.send(one.delivery).expect("it listens");
            }
        }
        FeedItem::Reread | FeedItem::Manual(_) | FeedItem::Queued => say("reread"),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let options = JournalOptions::default();
        let journal = SqliteJournal::open_tuned(folder, options, tuning, feed).expect("it opens");
        let journal = Arc::new(journal);
        let installed = Installed {
            key: plugin(),
            subscription: Subscription::default(),
        };
        while journal.install(installed.clone()).await.is_err() {
            say("unconfirmed");
        }
        for _ in 0..PRODUCERS {
            tokio::spawn(append_all(Arc::clone(&journal)));
        }
        while let Some(delivery) = deliveries.recv().await {
            match journal.finish(outcome(delivery)).await {
                Ok(()) => say(format_args!("finished {delivery}")),
                Err(JournalError::Unconfirmed(_)) => say("unconfirmed"),
                Err(error) => panic!("{error}"),
            }
        }
    });
}

async fn append_all(journal: Arc<SqliteJournal>) {
    loop {
        let id = EventId::generate();
        let body = format!("{id}{}", "-".repeat(300));
        let new = NewEvent {
            dedupe: Some(DedupeKey::of_body(body.as_bytes())),
            event: Arc::new(event(id, &body)),
        };
        match journal.append(new).await {
            Ok(Appended::Stored { .. }) => say(format_args!("stored {id} {body}")),
            Ok(Appended::Duplicate { of }) => panic!("{id} taken for {of}"),
            Err(JournalError::Unconfirmed(_)) => say("unconfirmed"),
            Err(error) => panic!("{error}"),
        }
    }
}

fn event(id: EventId, body: &str) -> Event {
    Event {
        id,
        endpoint: EndpointName::default_endpoint(),
        event_type: "chat.push".into(),
        agent_id: None,
        session_id: None,
        occurred_at: None,
        received_at: UnixMicros::now(),
        test_header: false,
        body: Bytes::copy_from_slice(body.as_bytes()),
        payload: Payload::Other,
    }
}

fn outcome(delivery: DeliveryId) -> Finish {
    Finish {
        delivery,
        next: Next::Done,
        attempts: 1,
        traps: 0,
        started_at: UnixMicros::now(),
        duration: Duration::from_millis(1),
        cpu: Duration::from_millis(1),
        peak_memory: 1,
        log: Vec::new(),
        effects: Effects {
            counters: vec![CounterAdd {
                name: "handled".into(),
                delta: 1,
            }],
            ..Effects::default()
        },
    }
}

/// Says a line in one write, so that it is said as a whole.
fn say(line: impl Display) {
    let line = format!("{line}\n");
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).expect("it is heard");
    out.flush().expect("it is heard");
}
