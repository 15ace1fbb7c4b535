//! The folder, the lock, the format, the restart.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::journal::JournalError;
use crate::journal::sqlite::OpenError;

#[tokio::test]
async fn a_second_host_is_refused_and_told_why() {
    let bench = Bench::new();
    let first = bench.open();
    let second = SqliteJournal::open(bench.path(), JournalOptions::default(), bench.feed());
    let error = second.expect_err("the folder is in use");
    assert!(matches!(error, OpenError::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains("another host uses"), "{text}");
    // Which folder, and which process to look for.
    let (folder, process) = (bench.path().display(), std::process::id());
    assert!(
        text.contains(&format!("{folder} (process {process})")),
        "{text}"
    );
    first.close().await;
    bench.open().close().await;
}

#[tokio::test]
async fn the_folder_is_its_owners_alone() {
    let bench = Bench::new();
    let folder = bench.path().join("deep/data");
    let journal = SqliteJournal::open(&folder, JournalOptions::default(), bench.feed());
    let mode = std::fs::metadata(&folder)
        .expect("made")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    journal.expect("it opens").close().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    let body = "{ \"event_type\" : \"x\",\t\"half\":\"\\ud83d\", \"long\":\"é🦀\"}\r\n";
    let mut event = event_of(body, NOW);
    event.test_header = true;
    event.agent_id = None;
    let event = new(event);
    store(&journal, event.clone()).await;
    journal.close().await;

    let journal = bench.open();
    let page = journal
        .pending(plugin("a"), DeliveryId(0), 10)
        .await
        .expect("read")
        .deliveries;
    assert_eq!(page.len(), 1);
    let found = &page[0].event.event;
    assert_eq!(found.body, event.event.body, "byte for byte");
    assert_eq!(found.id, event.event.id);
    assert_eq!(found.endpoint, event.event.endpoint);
    assert_eq!(found.event_type, event.event.event_type);
    assert_eq!(found.agent_id, None);
    assert_eq!(found.session_id, event.event.session_id);
    assert_eq!(found.occurred_at, event.event.occurred_at);
    assert_eq!(found.received_at, event.event.received_at);
    assert!(found.test_header);
    let by_id = journal.event(event.event.id).await.expect("read");
    assert_eq!(by_id.expect("there").event.body, event.event.body);
    assert_eq!(
        journal.installed().await.expect("read"),
        [everything("a")],
        "the list is durable"
    );
    journal.close().await;
}

#[tokio::test]
async fn numbers_are_never_used_again() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    store(&journal, at("1", NOW)).await;
    let delivery = bench.routed()[0].delivery;
    journal
        .finish(outcome(delivery, Next::Done))
        .await
        .expect("finished");
    assert_eq!(
        journal
            .clean(received_since(later(1)))
            .await
            .expect("cleaned"),
        1
    );
    journal.close().await;

    let journal = bench.open();
    store(&journal, at("2", NOW)).await;
    assert!(bench.routed()[1].delivery > delivery);
    assert!(bench.routed()[1].event.seq > bench.routed()[0].event.seq);
    journal.close().await;
}

#[tokio::test]
async fn the_file_has_its_format() {
    let bench = Bench::new();
    bench.open().close().await;
    let sql = bench.sql();
    let pragma = |name: &str| -> i64 {
        sql.pragma_query_value(None, name, |row| row.get(0))
            .expect("a pragma")
    };
    assert_eq!(pragma("application_id"), 0x686b_6278);
    assert_eq!(pragma("user_version"), 2);
    assert_eq!(pragma("auto_vacuum"), 2, "incremental");
    assert_eq!(pragma("page_size"), i64::from(Tuning::default().page_size));
    let mode: String = sql
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .expect("a pragma");
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_newer_file_and_a_foreign_one_are_left_alone() {
    let bench = Bench::new();
    bench.open().close().await;
    bench
        .sql()
        .pragma_update(None, "user_version", 999)
        .expect("set");
    let open = || SqliteJournal::open(bench.path(), JournalOptions::default(), bench.feed());
    let newer = open().expect_err("it is newer");
    assert!(
        matches!(newer, OpenError::Newer { found: 999, .. }),
        "{newer}"
    );
    bench
        .sql()
        .pragma_update(None, "application_id", 7)
        .expect("set");
    let foreign = open().expect_err("it is another program's");
    assert!(
        matches!(foreign, OpenError::Foreign { found: 7, .. }),
        "{foreign}"
    );
}

#[tokio::test]
async fn close_stores_what_was_accepted_and_ends() {
    let bench = Bench::new();
    let journal = Arc::new(bench.open());
    let appends: Vec<_> = (0..200)
        .map(|n| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { journal.append(at(&n.to_string(), NOW)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    tokio::join!(journal.close(), journal.close());
    let mut stored = 0;
    for append in appends {
        match append.await.expect("no panic") {
            Ok(_) => stored += 1,
            Err(error) => assert!(matches!(error, JournalError::Closed), "{error}"),
        }
    }
    let late = journal.append(at("late", NOW)).await;
    assert!(matches!(late, Err(JournalError::Closed)));
    assert!(matches!(journal.counts().await, Err(JournalError::Closed)));
    let journal = bench.open();
    assert_eq!(journal.counts().await.expect("read").events, stored);
    journal.close().await;
}
