//! The journal's benchmark: everything that a busy host does to it, at once.
//!
//! ```text
//! cargo bench -p hookbox --bench journal
//! ```
//!
//! Producers append distinct events of about 300 bytes, each with a dedupe key
//! and a delivery; every delivery is finished with a counter; old events are
//! cleaned away all the while. Then a million waiting events are opened again.
//!
//! Environment: `BENCH_SECONDS` of full load (10), `PRODUCERS` (64), `PAGE` size
//! (the journal's own), `RECOVER` events (1000000), `KEEP` seconds before an
//! event is cleaned away (3), `DEDUPE` 0 to do without keys, `FOLDER` for the
//! files (the system's scratch folder; it must be on a disk).
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "it prints rounded figures"
)]
#![allow(missing_docs)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hookbox::journal::sqlite::{SqliteJournal, Tuning};
use hookbox::journal::{
    Feed, FeedItem, Finish, Inspect as _, Installed, Intake as _, JournalOptions, Keep, NewEvent,
    Next, Queue as _, Roster as _, Upkeep as _,
};
use hookbox::types::effects::CounterAdd;
use hookbox::types::event::Event;
use hookbox::types::{
    DedupeKey, DeliveryId, Effects, EndpointName, EventId, Payload, PluginKey, PluginName,
    Subscription, UnixMicros,
};
use tokio::sync::{Mutex, mpsc};

type Failure = Box<dyn Error + Send + Sync>;

/// What the environment asks for.
struct Plan {
    seconds: u64,
    producers: u64,
    recover: u64,
    keep: Duration,
    options: JournalOptions,
    folder: PathBuf,
    tuning: Tuning,
}

impl Plan {
    fn from_env() -> Result<Self, Failure> {
        let number = |name: &str, default: u64| match std::env::var(name) {
            Ok(text) => text.parse(),
            Err(_) => Ok(default),
        };
        let mut tuning = Tuning::default();
        tuning.page_size = u32::try_from(number("PAGE", tuning.page_size.into())?)?;
        let mut options = JournalOptions::default();
        if number("DEDUPE", 1)? == 0 {
            options.dedupe_window = Duration::ZERO;
        }
        Ok(Self {
            options,
            seconds: number("BENCH_SECONDS", 10)?,
            producers: number("PRODUCERS", 64)?,
            recover: number("RECOVER", 1_000_000)?,
            keep: Duration::from_secs(number("KEEP", 3)?),
            folder: std::env::var_os("FOLDER").map_or_else(std::env::temp_dir, PathBuf::from),
            tuning,
        })
    }
}

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs this too; it only has to build then.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let plan = Plan::from_env()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()?;
    println!("page size {} bytes", plan.tuning.page_size);
    runtime.block_on(full_load(&plan))?;
    runtime.block_on(one_by_one(&plan))?;
    runtime.block_on(recovery(&plan))
}

/// Appends, outcomes and cleaning as fast as they go.
async fn full_load(plan: &Plan) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(&plan.folder)?;
    let (feed, deliveries) = channel_feed();
    let journal = open(folder.path(), plan, feed).await?;
    let deliveries = Arc::new(Mutex::new(deliveries));
    let finished = Arc::new(AtomicU64::new(0));
    for _ in 0..plan.producers {
        tokio::spawn(finish_all(
            Arc::clone(&journal),
            Arc::clone(&deliveries),
            Arc::clone(&finished),
        ));
    }
    let over = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let cpu_before = cpu_time();
    let producers: Vec<_> = (0..plan.producers)
        .map(|producer| tokio::spawn(produce(Arc::clone(&journal), producer, Arc::clone(&over))))
        .collect();
    let cleaner = tokio::spawn(clean_often(
        Arc::clone(&journal),
        plan.keep,
        Arc::clone(&over),
    ));
    let mut log = Vec::new();
    for second in 0..plan.seconds {
        tokio::time::sleep_until((started + Duration::from_secs(second + 1)).into()).await;
        log.push(size(&folder.path().join("journal.sqlite-wal")));
    }
    over.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for producer in producers {
        times.extend(producer.await??);
    }
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = cpu_time() - cpu_before;
    let finished = finished.load(Ordering::Relaxed);
    let removed = cleaner.await??;
    let counts = journal.counts().await?;
    times.sort_unstable();
    let appended = times.len();
    println!(
        "full load, {} producers, {elapsed:.1} s: {:.0} appends/s, {:.0} outcomes/s, {:.0} removed/s",
        plan.producers,
        appended as f64 / elapsed,
        finished as f64 / elapsed,
        removed as f64 / elapsed,
    );
    println!(
        "  append: p50 {} p99 {} p99.9 {} max {}",
        at(&times, 0.5),
        at(&times, 0.99),
        at(&times, 0.999),
        at(&times, 1.0)
    );
    println!(
        "  CPU {:.1} us an event (append, outcome, removal and the benchmark's own tasks)",
        cpu.as_secs_f64() * 1e6 / appended as f64
    );
    let mib: Vec<u64> = log.iter().map(|bytes| bytes >> 20).collect();
    println!("  log file by second, MiB: {mib:?}");
    println!(
        "  left: {} events, {} waiting; file {} MiB",
        counts.events,
        counts.pending,
        size(&folder.path().join("journal.sqlite")) >> 20
    );
    journal.close().await;
    Ok(())
}

/// One event at a time on an idle host.
async fn one_by_one(plan: &Plan) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(&plan.folder)?;
    let journal = open(folder.path(), plan, Arc::new(|_| {})).await?;
    let mut times = Vec::new();
    for number in 0..500 {
        let event = event(u64::MAX, number);
        let started = Instant::now();
        journal.append(event).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    println!(
        "one at a time: p50 {} p99 {}",
        at(&times, 0.5),
        at(&times, 0.99)
    );
    journal.close().await;
    Ok(())
}

/// Opens a store of waiting events as a killed host left it.
async fn recovery(plan: &Plan) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(&plan.folder)?;
    let journal = open(folder.path(), plan, Arc::new(|_| {})).await?;
    let tasks = 512;
    let fillers: Vec<_> = (0..tasks)
        .map(|task| {
            let journal = Arc::clone(&journal);
            let share = plan.recover / tasks;
            tokio::spawn(async move {
                for number in 0..share {
                    journal.append(event(task, number)).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for filler in fillers {
        filler.await??;
    }
    let events = journal.counts().await?.events;
    // What a kill leaves behind: the files as they are, log included.
    let left = tempfile::tempdir_in(&plan.folder)?;
    for name in ["journal.sqlite", "journal.sqlite-wal"] {
        std::fs::copy(folder.path().join(name), left.path().join(name))?;
    }
    let log = size(&left.path().join("journal.sqlite-wal"));
    journal.close().await;
    let bytes = size(&folder.path().join("journal.sqlite"));

    let started = Instant::now();
    let journal = SqliteJournal::open_tuned(
        left.path(),
        plan.options.clone(),
        plan.tuning.clone(),
        Arc::new(|_| {}),
    )?;
    let opened = started.elapsed();
    let page = journal
        .pending(plugin()?, DeliveryId(0), 1000)
        .await?
        .deliveries;
    let first_page = started.elapsed();
    let mut read = page.len() as u64;
    let mut last = page.last().map(|pending| pending.delivery);
    while let Some(after) = last {
        let page = journal.pending(plugin()?, after, 1000).await?.deliveries;
        read += page.len() as u64;
        last = page.last().map(|pending| pending.delivery);
    }
    println!(
        "recovery of {events} waiting events, log of {} MiB: open {opened:.1?}, first page after {first_page:.1?}, all {read} after {:.1?}",
        log >> 20,
        started.elapsed()
    );
    println!(
        "on disk: {:.0} bytes an event with its delivery, dedupe key and indices (body {} bytes)",
        bytes as f64 / events as f64,
        event(0, 0).event.body.len()
    );
    journal.close().await;
    Ok(())
}

async fn open(folder: &Path, plan: &Plan, feed: Feed) -> Result<Arc<SqliteJournal>, Failure> {
    let options = plan.options.clone();
    let journal = SqliteJournal::open_tuned(folder, options, plan.tuning.clone(), feed)?;
    let installed = Installed {
        key: plugin()?,
        subscription: Subscription::default(),
    };
    journal.install(installed).await?;
    Ok(Arc::new(journal))
}

fn channel_feed() -> (Feed, mpsc::UnboundedReceiver<DeliveryId>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let feed: Feed = Arc::new(move |item| {
        if let FeedItem::Routed(routed) = item {
            for one in routed {
                // The receiver is gone at the end of the benchmark only.
                let _ = sender.send(one.delivery);
            }
        }
    });
    (feed, receiver)
}

async fn produce(
    journal: Arc<SqliteJournal>,
    producer: u64,
    over: Arc<AtomicBool>,
) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        let event = event(producer, number);
        number += 1;
        let started = Instant::now();
        journal.append(event).await?;
        times.push(started.elapsed());
    }
    Ok(times)
}

async fn finish_all(
    journal: Arc<SqliteJournal>,
    deliveries: Arc<Mutex<mpsc::UnboundedReceiver<DeliveryId>>>,
    finished: Arc<AtomicU64>,
) -> Result<(), Failure> {
    loop {
        let Some(delivery) = deliveries.lock().await.recv().await else {
            return Ok(());
        };
        journal.finish(outcome(delivery)).await?;
        finished.fetch_add(1, Ordering::Relaxed);
    }
}

async fn clean_often(
    journal: Arc<SqliteJournal>,
    keep: Duration,
    over: Arc<AtomicBool>,
) -> Result<u64, Failure> {
    let mut removed = 0;
    while !over.load(Ordering::Relaxed) {
        let since = UnixMicros::now().before(keep);
        removed += journal.clean(Keep { since, bytes: None }).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(removed)
}

fn outcome(delivery: DeliveryId) -> Finish {
    Finish {
        delivery,
        next: Next::Done,
        attempts: 1,
        traps: 0,
        started_at: UnixMicros::now(),
        duration: Duration::from_micros(740),
        cpu: Duration::from_micros(310),
        peak_memory: 1_310_720,
        log: Vec::new(),
        effects: Effects {
            counters: vec![CounterAdd {
                name: "messages".into(),
                delta: 1,
            }],
            ..Effects::default()
        },
    }
}

fn event(producer: u64, number: u64) -> NewEvent {
    let session = format!("session-{}", number / 20);
    let body = Bytes::from(format!(
        r#"{{"agent_id":"A28FKQ7731","event_type":"chat.push","data":{{"session_id":"{session}","role":"user","message":"Where is my order #{producer:06}{number:08}? I have been waiting for it since last week and nobody answers my mail.","timestamp":1790607268.895705}},"timestamp":1790607268.901233,"pad":"xxxxxxxxxxxxxxx"}}"#
    ));
    NewEvent {
        dedupe: Some(DedupeKey::of_body(&body)),
        event: Arc::new(Event {
            id: EventId::generate(),
            endpoint: EndpointName::default_endpoint(),
            event_type: "chat.push".into(),
            agent_id: Some("A28FKQ7731".into()),
            session_id: Some(session),
            occurred_at: Some(1_790_607_268.901_233),
            received_at: UnixMicros::now(),
            test_header: false,
            body,
            payload: Payload::Other,
        }),
    }
}

fn plugin() -> Result<PluginKey, Failure> {
    Ok(PluginKey {
        endpoint: EndpointName::default_endpoint(),
        plugin: PluginName::new("bench")?,
    })
}

fn at(sorted: &[Duration], part: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in the list"
    )]
    let place = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or_else(
        || "-".into(),
        |time| format!("{:.2} ms", time.as_secs_f64() * 1e3),
    )
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |meta| meta.len())
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
