//! Routed when stored (guarantee 3).

use super::*;
use crate::journal::{DeliveryFilter, PAGE_BYTES};
use crate::types::Handlers;

#[tokio::test]
async fn deliveries_are_made_with_the_event_and_announced_in_order() {
    let bench = Bench::new();
    let journal = Arc::new(bench.open());
    for name in ["b", "a", "c"] {
        journal.install(everything(name)).await.expect("installed");
    }
    let appends: Vec<_> = (0..100)
        .map(|n| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { store(&journal, at(&n.to_string(), NOW)).await })
        })
        .collect();
    for append in appends {
        assert_eq!(append.await.expect("no panic"), 3);
    }
    let routed = bench.routed();
    assert_eq!(routed.len(), 300);
    assert!(routed.is_sorted_by_key(|one| (one.delivery, one.event.seq)));
    let page = journal
        .pending(plugin("a"), DeliveryId(0), 1000)
        .await
        .expect("read")
        .deliveries;
    let of_a: Vec<_> = routed
        .iter()
        .filter(|one| one.plugin == plugin("a"))
        .collect();
    assert_eq!(page.len(), 100);
    for (stored, announced) in page.iter().zip(of_a) {
        assert_eq!(stored.delivery, announced.delivery);
        assert_eq!(stored.event.event.body, announced.event.event.body);
    }
    let rest = journal
        .pending(plugin("a"), page[9].delivery, 20)
        .await
        .expect("read")
        .deliveries;
    assert_eq!(rest[0].delivery, page[10].delivery);
    assert_eq!(rest.len(), 20);
    journal.close().await;
}

#[tokio::test]
async fn a_plugin_gets_what_it_subscribed_to() {
    let bench = Bench::new();
    let journal = bench.open();
    let unknown = everything("not-loaded-yet");
    let no_handler = Installed {
        key: plugin("room-join-only"),
        subscription: Subscription {
            handlers: Some(Handlers {
                room_join: true,
                ..Handlers::default()
            }),
            ..Subscription::default()
        },
    };
    let other_agent = Installed {
        key: plugin("other-agent"),
        subscription: Subscription {
            agents: Some(vec!["A2".into()]),
            ..Subscription::default()
        },
    };
    for installed in [unknown, no_handler, other_agent.clone()] {
        journal.install(installed).await.expect("installed");
    }
    assert_eq!(store(&journal, at("1", NOW)).await, 1);
    assert_eq!(bench.routed()[0].plugin, plugin("not-loaded-yet"));
    // The subscription that counts is the one at the time of storing.
    let changed = Installed {
        subscription: Subscription::default(),
        ..other_agent
    };
    journal.install(changed).await.expect("changed");
    assert_eq!(store(&journal, at("2", NOW)).await, 2);
    journal.close().await;
}

#[tokio::test]
async fn a_removed_plugin_gets_no_more_and_finds_its_own_when_it_comes_back() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    store(&journal, at("1", NOW)).await;
    journal.uninstall(plugin("a")).await.expect("removed");
    assert_eq!(store(&journal, at("2", NOW)).await, 0);
    journal.close().await;
    let journal = bench.open();
    assert_eq!(store(&journal, at("3", NOW)).await, 0);
    assert!(journal.installed().await.expect("read").is_empty());
    journal.install(everything("a")).await.expect("installed");
    let page = journal
        .pending(plugin("a"), DeliveryId(0), 10)
        .await
        .expect("read")
        .deliveries;
    assert_eq!(page.len(), 1);
    assert_eq!(&page[0].event.event.body[..], b"1");
    journal.close().await;
}

#[tokio::test]
async fn endpoints_dont_see_each_other() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    let mut event = event_of("1", NOW);
    event.endpoint = EndpointName::new("other").expect("a name");
    let other = PluginKey {
        endpoint: event.endpoint.clone(),
        ..plugin("a")
    };
    assert_eq!(store(&journal, new(event)).await, 0);
    let nothing = DeliveryFilter {
        plugin: Some(other),
        ..DeliveryFilter::default()
    };
    assert!(
        journal
            .deliveries(nothing, 9)
            .await
            .expect("read")
            .is_empty()
    );
    journal.close().await;
}

#[tokio::test]
async fn a_page_ends_at_its_rows_or_bytes_and_says_whether_there_is_more() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.install(everything("a")).await.expect("installed");
    let large = PAGE_BYTES / 2;
    for n in 0..5 {
        store(&journal, at(&format!("{n}{}", " ".repeat(large)), NOW)).await;
    }
    let page = async |after, limit| {
        let page = journal.pending(plugin("a"), after, limit).await;
        page.expect("read")
    };
    let first = page(DeliveryId(0), 100).await;
    assert_eq!((first.deliveries.len(), first.more), (2, true));
    let one = page(DeliveryId(0), 1).await;
    assert_eq!((one.deliveries.len(), one.more), (1, true));
    let last = page(bench.routed()[3].delivery, 100).await;
    assert_eq!((last.deliveries.len(), last.more), (1, false));
    journal.close().await;
}
