//! Once per duplicate (guarantee 5).

use super::*;

async fn duplicate_of(journal: &SqliteJournal, new: NewEvent) -> EventId {
    match journal.append(new).await.expect("an answer") {
        Appended::Duplicate { of } => of,
        Appended::Stored { seq, .. } => panic!("stored again as {seq:?}"),
    }
}

#[tokio::test]
async fn the_same_body_is_stored_once_through_a_restart() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    let first = at("same", NOW);
    store(&journal, first.clone()).await;
    assert_eq!(
        duplicate_of(&journal, at("same", later(1))).await,
        first.event.id
    );
    journal.close().await;
    let journal = bench.open();
    assert_eq!(
        duplicate_of(&journal, at("same", later(2))).await,
        first.event.id
    );
    store(&journal, at("other", later(2))).await;
    assert_eq!(bench.routed().len(), 2);
    assert_eq!(journal.counts().await.expect("read").events, 2);
    journal.close().await;
}

#[tokio::test]
async fn of_many_at_the_same_moment_one_is_stored() {
    let bench = Bench::new();
    let journal = Arc::new(bench.open());
    let appends: Vec<_> = (0..100)
        .map(|_| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move {
                let new = at("same", NOW);
                (new.event.id, journal.append(new).await.expect("an answer"))
            })
        })
        .collect();
    let (mut stored, mut named) = (Vec::new(), Vec::new());
    for append in appends {
        match append.await.expect("no panic") {
            (id, Appended::Stored { .. }) => stored.push(id),
            (_, Appended::Duplicate { of }) => named.push(of),
        }
    }
    assert_eq!(stored.len(), 1);
    assert_eq!(named.len(), 99);
    assert!(named.iter().all(|id| *id == stored[0]));
    journal.close().await;
}

#[tokio::test]
async fn after_the_window_it_is_new_again() {
    let window = Duration::from_secs(60);
    let bench = Bench::with(JournalOptions {
        dedupe_window: window,
        ..JournalOptions::default()
    });
    let journal = bench.open();
    let first = at("same", NOW);
    store(&journal, first.clone()).await;
    assert_eq!(
        duplicate_of(&journal, at("same", later(59))).await,
        first.event.id
    );
    let second = at("same", later(60));
    store(&journal, second.clone()).await;
    // The window counts from the event that was stored, through a change of
    // generations and through a restart.
    for seconds in [61, 90, 119] {
        let of = duplicate_of(&journal, at("same", later(seconds))).await;
        assert_eq!(of, second.event.id);
    }
    journal.close().await;
    let journal = bench.open();
    assert_eq!(
        duplicate_of(&journal, at("same", later(119))).await,
        second.event.id
    );
    store(&journal, at("same", later(120))).await;
    journal.close().await;
}

#[tokio::test]
async fn a_clock_that_was_set_forward_by_mistake_swallows_nothing_for_longer_than_the_window() {
    let bench = Bench::with(JournalOptions {
        dedupe_window: Duration::from_secs(60),
        ..JournalOptions::default()
    });
    let journal = bench.open();
    store(&journal, at("same", later(1_000_000))).await;
    // Set right again, in small steps it is still a duplicate.
    duplicate_of(&journal, at("same", later(999_941))).await;
    let second = at("same", NOW);
    store(&journal, second.clone()).await;
    assert_eq!(
        duplicate_of(&journal, at("same", later(59))).await,
        second.event.id
    );
    store(&journal, at("same", later(60))).await;
    journal.close().await;
}

#[tokio::test]
async fn keys_go_although_the_clock_had_been_set_forward_before_they_came() {
    let bench = Bench::new();
    let journal = bench.open();
    let year = Duration::from_secs(365 * 24 * 3600);
    let now = UnixMicros::now();
    store(&journal, at("early", now.after(year))).await;
    store(&journal, at("old", now.before(year))).await;
    journal.clean(received_since(now)).await.expect("cleaned");
    assert_eq!(bench.rows("dedupe_fresh"), 1);
    assert_eq!(bench.rows("dedupe_generation"), 1);
    journal.close().await;
}

#[tokio::test]
async fn off_means_off() {
    let bench = Bench::with(JournalOptions {
        dedupe_window: Duration::ZERO,
        ..JournalOptions::default()
    });
    let journal = bench.open();
    store(&journal, at("same", NOW)).await;
    store(&journal, at("same", NOW)).await;
    journal.close().await;
}

#[tokio::test]
async fn an_event_without_a_key_is_never_a_duplicate() {
    let bench = Bench::new();
    let journal = bench.open();
    for _ in 0..2 {
        let mut new = at("test", NOW);
        new.dedupe = None;
        store(&journal, new).await;
    }
    journal.close().await;
}

#[tokio::test]
async fn endpoints_have_keys_of_their_own() {
    let bench = Bench::new();
    let journal = bench.open();
    store(&journal, at("same", NOW)).await;
    let mut event = event_of("same", NOW);
    event.endpoint = EndpointName::new("other").expect("a name");
    store(&journal, new(event)).await;
    journal.close().await;
}

#[tokio::test]
async fn an_append_can_be_repeated() {
    // After an unconfirmed write the caller may try the very same event again.
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    let with_key = at("with", NOW);
    let mut without = at("without", NOW);
    without.dedupe = None;
    for new in [with_key, without] {
        let first = journal.append(new.clone()).await.expect("stored");
        let again = journal.append(new).await.expect("an answer");
        assert_eq!(first, again);
    }
    assert_eq!(bench.routed().len(), 2);
    assert_eq!(journal.counts().await.expect("read").pending, 2);
    store(&journal, at("next", NOW)).await;
    assert_eq!(journal.counts().await.expect("read").pending, 3);
    journal.close().await;
}

#[tokio::test]
async fn old_keys_leave_the_file() {
    let bench = Bench::with(JournalOptions {
        dedupe_window: Duration::from_secs(60),
        ..JournalOptions::default()
    });
    let journal = bench.open();
    // Long ago by the host's clock, in more keys than one step drops.
    let appends = (0..3000).map(|n| journal.append(at(&n.to_string(), NOW)));
    let answers = futures_util::future::join_all(appends).await;
    assert!(answers.iter().all(Result::is_ok));
    let now = UnixMicros::now();
    store(&journal, at("fresh", now)).await;
    journal
        .clean(received_since(UnixMicros(0)))
        .await
        .expect("cleaned");
    let keys: i64 = bench
        .sql()
        .query_row(
            "SELECT (SELECT count(*) FROM dedupe) + (SELECT count(*) FROM dedupe_fresh)",
            [],
            |row| row.get(0),
        )
        .expect("read");
    assert_eq!(keys, 1);
    duplicate_of(&journal, at("fresh", now)).await;
    journal.close().await;
}

#[tokio::test]
async fn keys_are_found_while_they_are_sorted_in_and_after_a_restart() {
    // Enough for a lot to gather, to be sorted in, and for the next to begin.
    let bench = Bench::new();
    let journal = Arc::new(bench.open());
    let count = 2 * crate::journal::sqlite::dedupe::LOT / 3;
    let mut ids = Vec::new();
    for part in 0..3 {
        let news: Vec<_> = (0..count)
            .map(|n| at(&format!("{part} {n}"), NOW))
            .collect();
        ids.extend([&news[0], &news[count / 2], &news[count - 1]].map(|new| new.event.id));
        let appends = news.into_iter().map(|new| journal.append(new));
        let answers = futures_util::future::join_all(appends).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Ok(Appended::Stored { .. })))
        );
    }
    let check = async |journal: &SqliteJournal| {
        for (place, id) in ids.iter().enumerate() {
            let n = [0, count / 2, count - 1][place % 3];
            let body = format!("{} {n}", place / 3);
            assert_eq!(duplicate_of(journal, at(&body, later(1))).await, *id);
        }
    };
    check(&journal).await;
    journal.close().await;
    let rows = |table: &str| -> usize {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = bench.sql().query_row(&sql, [], |r| r.get(0)).expect("read");
        usize::try_from(rows).expect("a count")
    };
    assert!(rows("dedupe") > 0, "a lot has begun to be sorted in");
    assert!(rows("dedupe") + rows("dedupe_fresh") >= 3 * count);
    let journal = bench.open();
    check(&journal).await;
    journal.close().await;
}

#[tokio::test]
async fn each_endpoint_has_its_window_through_a_restart() {
    let name = |name: &str| EndpointName::new(name).expect("a name");
    let seconds = Duration::from_secs;
    let windows = [
        (name("short"), seconds(10)),
        (name("long"), seconds(600)),
        (name("off"), Duration::ZERO),
    ];
    let bench = Bench::with(JournalOptions {
        dedupe_window: seconds(60),
        dedupe_windows: windows.into(),
        ..JournalOptions::default()
    });
    let on = |endpoint: &str, body: &str, received_at| {
        let mut event = event_of(body, received_at);
        event.endpoint = name(endpoint);
        new(event)
    };
    let endpoints = ["short", "long", "off", "default"];
    let mut journal = bench.open();
    // (seconds since the first, endpoints on which it is a duplicate of it)
    let again: [(u64, &[&str]); 4] = [
        (9, &["short", "long", "default"]),
        (10, &["long", "default"]),
        (60, &["long"]),
        (600, &[]),
    ];
    for (round, (after, duplicates)) in again.into_iter().enumerate() {
        // Both before and after a restart.
        for restart in [false, true] {
            let body = format!("{round} {restart}");
            let start = u64::try_from(round).expect("small") * 10_000;
            let mut firsts = Vec::new();
            for endpoint in endpoints {
                let first = on(endpoint, &body, later(start));
                firsts.push(first.event.id);
                store(&journal, first).await;
            }
            if restart {
                journal.close().await;
                journal = bench.open();
            }
            for (endpoint, first) in endpoints.into_iter().zip(firsts) {
                let second = on(endpoint, &body, later(start + after));
                if duplicates.contains(&endpoint) {
                    assert_eq!(
                        duplicate_of(&journal, second).await,
                        first,
                        "{endpoint} {after}"
                    );
                } else {
                    store(&journal, second).await;
                }
            }
        }
    }
    journal.close().await;
}
