//! How the writer ends: asked to, or by itself.

use futures_util::FutureExt as _;

use super::*;

#[tokio::test]
async fn a_writer_that_panics_is_fatal() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let feed: Feed = Arc::new(|_| panic!("a fault in what is fed"));
    let journal = SqliteJournal::open(folder.path(), JournalOptions::default(), feed);
    let journal = journal.expect("it opens");
    journal.install(everything("a")).await.expect("installed");
    journal.append(at("1", NOW)).await.expect_err("no answer");
    assert!(journal.fatal().await.contains("has ended unexpectedly"));
}

#[tokio::test]
async fn a_journal_that_is_closed_is_not_fatal() {
    let bench = Bench::new();
    let journal = bench.open();
    assert_eq!(journal.fatal().now_or_never(), None);
    journal.close().await;
    assert_eq!(journal.fatal().now_or_never(), None);
}
