//! A full disk.

use super::*;
use crate::journal::JournalError;

#[tokio::test]
async fn a_full_disk_is_said_and_the_engine_goes_on() {
    let mut bench = Bench::new();
    bench.tuning.max_pages = Some(100);
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    let body = "x".repeat(3000);
    let mut stored = 0;
    let error = loop {
        match journal.append(at(&format!("{stored}{body}"), NOW)).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Full(_)), "{error}");
    assert!(stored > 10, "only {stored}");
    // Nothing of the refused one is left, in the file or in memory.
    let counts = journal.counts().await.expect("read");
    assert_eq!((counts.events, counts.pending), (stored, stored));
    assert_eq!(bench.routed().len() as u64, stored);
    // With room again, it goes on, and the refused event isn't a duplicate.
    for one in bench.routed() {
        journal
            .finish(outcome(one.delivery, Next::Done))
            .await
            .expect("an outcome needs no room");
    }
    assert_eq!(
        journal
            .clean(received_since(later(1)))
            .await
            .expect("cleaned"),
        stored
    );
    store(&journal, at(&format!("{stored}{body}"), NOW)).await;
    journal.close().await;
}

#[tokio::test]
async fn one_bad_request_doesnt_fail_its_batch() {
    let bench = Bench::new();
    let journal = bench.open();
    // A row that nothing here would make, so that one insert is refused.
    bench
        .sql()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON event WHEN NEW.event_type = 'bad'
             BEGIN SELECT raise(ABORT, 'refused'); END",
        )
        .expect("a trigger");
    let news = (0..64).map(|n| {
        let mut event = event_of(&n.to_string(), NOW);
        if n == 20 {
            event.event_type = "bad".into();
        }
        journal.append(new(event))
    });
    let answers = futures_util::future::join_all(news).await;
    let bad: Vec<_> = answers.iter().filter(|answer| answer.is_err()).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(journal.counts().await.expect("read").events, 63);
    journal.close().await;
}
