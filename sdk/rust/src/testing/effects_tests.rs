use std::collections::BTreeMap;

use super::Host;
use crate::outbox::Request;
use crate::prelude::*;

fn bucket() -> kv::Bucket {
    kv::Bucket::open("things").expect("a good name")
}

#[test]
fn entries_stay_from_run_to_run_and_a_failed_run_keeps_nothing() {
    let host = Host::new().with_entry("things", "n", &1);
    let add = |by: u32| bucket().update("n", |n: Option<u32>| n.unwrap_or(0) + by);
    let run = host.run(|| {
        assert_eq!(add(2)?, 3);
        counters::add("runs", 1);
        Ok(())
    });
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(run.counters, BTreeMap::from([("runs".to_owned(), 1)]));
    let run = host.run(|| {
        add(4)?;
        counters::add("runs", 1);
        Err(HandlerError::retry("later"))
    });
    assert_eq!(run.counters, BTreeMap::new());
    assert_eq!(host.entry("things", "n"), Some(3));
    assert_eq!(host.counter("runs"), 1);
}

#[test]
fn a_handler_that_panics_leaves_nothing_behind() {
    let host = Host::new();
    let run = std::panic::AssertUnwindSafe(|| {
        host.run(|| {
            bucket().set("k", "v")?;
            panic!("on purpose")
        })
    });
    assert!(std::panic::catch_unwind(run).is_err());
    let seen = host.run(|| match bucket().exists("k")? {
        true => Err(HandlerError::reject("it is there")),
        false => Ok(()),
    });
    assert_eq!(seen.outcome, Ok(()));
}

#[test]
fn keys_come_in_order_over_several_pages() {
    let host = Host::new();
    let run = host.run(|| {
        for number in (0..25).rev() {
            bucket().set(&format!("{number:02}"), &number)?;
        }
        bucket().delete("07")?;
        let keys: Vec<String> = bucket().keys().collect::<Result<_, _>>()?;
        assert_eq!(keys.len(), 24);
        assert!(keys.is_sorted() && !keys.contains(&"07".to_owned()));
        Ok(())
    });
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(host.keys("things").len(), 24);
}

#[test]
fn an_increment_is_read_as_a_number() {
    let run = Host::new().run(|| {
        assert_eq!(bucket().increment("n", 5)?, 5);
        assert_eq!(bucket().increment("n", -7)?, -2);
        assert_eq!(bucket().get::<i64>("n")?, Some(-2));
        bucket().set("n", "text")?;
        bucket().increment("n", 1)?;
        Ok(())
    });
    let Err(HandlerError::Retry { reason, .. }) = run.outcome else {
        panic!("the host refuses it")
    };
    assert!(reason.contains("no decimal number"), "{reason}");
}

#[test]
fn a_value_of_another_type_is_rejected_by_key() {
    let host = Host::new().with_entry("things", "k", "text");
    let run = host.run(|| {
        bucket().get::<u32>("k")?;
        Ok(())
    });
    let Err(HandlerError::Reject(reason)) = run.outcome else {
        panic!("must reject")
    };
    assert!(reason.contains("\"k\""), "{reason}");
}

#[test]
fn limits_are_those_of_the_host() {
    for result in [
        kv::Bucket::open("").map(drop),
        kv::Bucket::open("b").and_then(|b| b.set("", "v")),
        kv::Bucket::open("b").and_then(|b| b.set_bytes("k", &[0; 65_537])),
    ] {
        assert!(matches!(result, Err(kv::Error::Refused(_))), "{result:?}");
    }
}

#[test]
fn requests_are_recorded_where_they_are_allowed() {
    let request = || Request::post("https://hooks.example.com/in").json(&[1, 2]);
    let ask = || {
        outbox::send(request()?.header("x-a", "b"))?;
        Ok(())
    };
    let denied = Host::new().run(ask);
    let Err(HandlerError::Reject(reason)) = denied.outcome else {
        panic!("nothing is allowed")
    };
    assert!(
        reason.contains("POST https://hooks.example.com/in"),
        "{reason}"
    );
    let run = Host::new()
        .allow("POST https://hooks.example.com/")
        .run(ask);
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(run.requests[0].body, b"[1,2]");
    assert_eq!(
        run.requests[0].headers,
        [
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-a".to_owned(), "b".to_owned())
        ]
    );
}

#[test]
fn a_request_gets_the_answer_that_the_test_has_for_it() {
    let host = Host::new()
        .answer(
            "GET https://api.example.com/orders/",
            200,
            r#"{"state": "sent"}"#,
        )
        .fail(
            "GET https://slow.example.com/",
            http::Error::Failed("too slow".into()),
        );
    let run = host.run(|| {
        let order = http::Request::get("https://api.example.com/orders/17").send()?;
        let state: serde_json::Value = order.json()?;
        log::info!("{}: {}", order.status, state["state"]);
        http::Request::get("https://slow.example.com/").send()?;
        Ok(())
    });
    assert_eq!(run.messages(), ["200: \"sent\""]);
    assert!(
        matches!(run.outcome, Err(HandlerError::Retry { .. })),
        "{:?}",
        run.outcome
    );
    let urls: Vec<_> = run.calls.iter().map(|call| call.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://api.example.com/orders/17",
            "https://slow.example.com/"
        ]
    );
}

#[test]
fn a_request_without_an_answer_is_denied() {
    let run = Host::new().run(|| {
        http::Request::post("https://api.example.com/").send()?;
        Ok(())
    });
    let Err(HandlerError::Reject(reason)) = run.outcome else {
        panic!("{:?}", run.outcome);
    };
    assert!(reason.contains("POST https://api.example.com/"), "{reason}");
}
