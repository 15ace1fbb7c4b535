//! Events for people.

use super::*;
use crate::journal::{DeliveryFilter, EventFilter, EventRecord};

fn numbers(found: &[EventRecord]) -> Vec<i64> {
    found.iter().map(|event| event.seq.0).collect()
}

#[tokio::test]
async fn events_are_listed_newest_first_and_filtered() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    for n in 0..6 {
        let mut event = event_of(&n.to_string(), later(n));
        if n % 2 == 0 {
            event.event_type = "other".into();
        }
        if n == 3 {
            event.endpoint = EndpointName::new("side").expect("a name");
        }
        store(&journal, new(event)).await;
    }
    let list = async |filter, limit| journal.events(filter, limit).await.expect("read");
    let all = list(EventFilter::default(), 99).await;
    assert_eq!(numbers(&all), [6, 5, 4, 3, 2, 1]);
    let first = bench.routed()[0].event.event.clone();
    let shown = &all[5];
    assert_eq!(shown.id, first.id);
    assert_eq!(shown.event_type, "other");
    assert_eq!(shown.agent_id, first.agent_id);
    assert_eq!(shown.session_id, first.session_id);
    assert_eq!(shown.received_at, NOW);
    assert_eq!(shown.deliveries, 1);
    assert_eq!((all[2].endpoint.as_str(), all[2].deliveries), ("side", 0));
    assert_eq!(numbers(&list(EventFilter::default(), 2).await), [6, 5]);
    let older = EventFilter {
        before: Some(all[1].seq),
        ..EventFilter::default()
    };
    assert_eq!(numbers(&list(older, 2).await), [4, 3]);
    let of_type = EventFilter {
        event_type: Some("chat.push".into()),
        endpoint: Some(EndpointName::default_endpoint()),
        ..EventFilter::default()
    };
    assert_eq!(numbers(&list(of_type, 99).await), [6, 2]);
    let nowhere = EventFilter {
        endpoint: Some(EndpointName::new("nowhere").expect("a name")),
        ..EventFilter::default()
    };
    assert!(list(nowhere, 99).await.is_empty());
    journal.close().await;
}

#[tokio::test]
async fn a_rare_type_is_found_behind_many_others() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut rare = event_of("rare", NOW);
    rare.event_type = "rare".into();
    store(&journal, new(rare)).await;
    // More than one statement looks at.
    let appends = (0..5000).map(|n| journal.append(at(&n.to_string(), NOW)));
    let answers = futures_util::future::join_all(appends).await;
    assert!(answers.iter().all(Result::is_ok));
    let filter = EventFilter {
        event_type: Some("rare".into()),
        ..EventFilter::default()
    };
    assert_eq!(
        numbers(&journal.events(filter, 9).await.expect("read")),
        [1]
    );
    journal.close().await;
}

/// Or a page of such events is a gigabyte.
#[tokio::test]
async fn lists_hold_only_the_start_of_long_texts() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    let mut event = event_of("long", NOW);
    let long = "ä".repeat(1 << 19);
    event.event_type.clone_from(&long);
    event.session_id = Some(long.clone());
    event.agent_id = Some(long.clone());
    store(&journal, new(event)).await;
    let short = format!("{}…", "ä".repeat(256));
    let events = journal.events(EventFilter::default(), 9).await;
    let event = &events.expect("read")[0];
    assert_eq!(event.event_type, short);
    assert_eq!(event.session_id.as_ref(), Some(&short));
    assert_eq!(event.agent_id.as_ref(), Some(&short));
    let all = DeliveryFilter::default();
    let delivery = &journal.deliveries(all, 9).await.expect("read")[0];
    assert_eq!(delivery.event_type, short);
    assert_eq!(delivery.session_id.as_ref(), Some(&short));
    let of_type = EventFilter {
        event_type: Some(long),
        ..EventFilter::default()
    };
    assert_eq!(
        numbers(&journal.events(of_type, 9).await.expect("read")),
        [1]
    );
    journal.close().await;
}
