#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;

use serde_json::Value;

use super::*;
use crate::cli::operator::fake::Fake;
use crate::cli::operator::{ClientError, Query};

fn wanted() -> Wanted {
    Wanted {
        plugin: PluginName::new("p").unwrap(),
        endpoint: None,
        since: Some(UnixMicros(5)),
        until: None,
        types: vec!["x".into()],
        after: 0,
    }
}

/// A delivery in a list.
fn one(id: i64, state: &str, manual: bool) -> Value {
    json!({"id": id, "state": state, "manual": manual, "plugin": "p", "endpoint": "default"})
}

/// 25 events, ten a step, each a delivery with an id above 100.
fn step(_: &str, body: &Value) -> Result<Value, ClientError> {
    let after = body["after"].as_i64().unwrap();
    assert_eq!((&body["through"], &body["since"]), (&json!(25), &json!(5)));
    assert_eq!(
        (&body["plugin"], &body["types"]),
        (&json!("p"), &json!(["x"]))
    );
    let next = if after < 20 {
        json!(after + 10)
    } else {
        Value::Null
    };
    Ok(json!({"seen": 25.min(after + 10) - after, "deliveries": 5, "next": next}))
}

fn asked<'q>(query: &'q Query, name: &str) -> &'q str {
    let found = query.iter().find(|(key, _)| *key == name);
    found.map_or("", |(_, value)| value)
}

#[test]
fn past_events_are_delivered_and_waited_for() {
    // Of the fifteen, two wait at the first look; two are dead in the end. What is
    // older or not made by hand isn't counted.
    let looks = Cell::new(0);
    let fake = Fake::new(|path, query| {
        if path == "/api/events" {
            return Ok(json!({"events": [{"seq": 25}]}));
        }
        let list = match asked(query, "state") {
            // Before the replay: where it begins.
            "" if looks.get() == 0 => vec![one(100, "done", false)],
            "" => {
                let mut all: Vec<_> = (101..114).map(|id| one(id, "done", true)).collect();
                all.extend([one(114, "dead", true), one(115, "dead", true)]);
                let mut other = one(116, "dead", true);
                other["plugin"] = json!("q");
                all.extend([other, one(117, "dead", false)]);
                all.insert(0, one(100, "dead", true));
                all.reverse();
                all
            }
            _ if looks.replace(looks.get() + 1) == 0 => {
                vec![
                    one(115, "pending", true),
                    one(114, "pending", false),
                    one(113, "pending", true),
                ]
            }
            _ => vec![one(116, "pending", false), one(90, "pending", true)],
        };
        Ok(json!({ "deliveries": list }))
    })
    .on_post(step);
    let report = replay(&fake, &wanted(), true, &Interrupt::default()).unwrap();
    assert_eq!(
        report,
        Report {
            made: Made {
                seen: 25,
                deliveries: 15,
                next: None
            },
            handled: Some(Handled {
                done: 13,
                dead: 2,
                ignored: 0,
                waiting: 0
            }),
        }
    );
    assert_eq!(looks.get(), 2);
    let text = report.text(&wanted());
    assert!(
        text.starts_with("25 events seen, 15 deliveries made\n13 done, 2 dead\nsee why: "),
        "{text}"
    );
    assert_eq!(
        format!("{:?}", report.exit_code()),
        format!("{:?}", ExitCode::FAILURE)
    );
    assert_eq!(fake.posts.borrow().len(), 3);
}

#[test]
fn ctrl_c_stops_between_two_steps_and_says_where() {
    let fake = Fake::new(|path, _| {
        Ok(match path {
            "/api/events" => json!({"events": [{"seq": 25}]}),
            _ => json!({"deliveries": []}),
        })
    })
    .on_post(step);
    let pressed = Interrupt::default();
    pressed.set();
    let report = replay(&fake, &wanted(), true, &pressed).unwrap();
    assert_eq!((report.made.next, &report.handled), (Some(10), &None));
    assert!(report.text(&wanted()).contains("--after 10 goes on"));
    assert_eq!(report.json()["next"], 10);
}

#[test]
fn ctrl_c_while_waiting_leaves_the_rest_running() {
    let pressed = Interrupt::default();
    let fake = Fake::new(|path, query| {
        if path == "/api/events" {
            return Ok(json!({"events": [{"seq": 25}]}));
        }
        let list = match asked(query, "state") {
            "pending" => {
                pressed.set();
                vec![one(115, "pending", true)]
            }
            _ if pressed.is_set() => {
                let done = (101..115).rev().map(|id| one(id, "done", true));
                std::iter::once(one(115, "pending", true))
                    .chain(done)
                    .collect()
            }
            _ => vec![],
        };
        Ok(json!({ "deliveries": list }))
    })
    .on_post(step);
    let report = replay(&fake, &wanted(), true, &pressed).unwrap();
    // Ctrl-C came with the first look, after all were made.
    assert_eq!(report.made.next, None);
    let handled = report.handled.as_ref().unwrap();
    assert_eq!((handled.done, handled.waiting), (14, 1));
    assert!(
        report
            .text(&wanted())
            .contains("14 done, 0 dead, 1 still waiting")
    );
}

#[test]
fn without_events_or_waiting_nothing_is_looked_for() {
    let empty = Fake::new(|path, _| {
        Ok(match path {
            "/api/events" => json!({"events": []}),
            _ => json!({"deliveries": []}),
        })
    });
    let report = replay(&empty, &wanted(), true, &Interrupt::default()).unwrap();
    assert_eq!(report.text(&wanted()), "0 events seen, 0 deliveries made\n");
    assert_eq!(
        format!("{:?}", report.exit_code()),
        format!("{:?}", ExitCode::SUCCESS)
    );
}

#[test]
fn more_pending_ones_than_a_page_are_all_counted() {
    let pressed = Interrupt::default();
    let fake = Fake::new(|path, query| {
        if path == "/api/events" {
            return Ok(json!({"events": [{"seq": 25}]}));
        }
        let before: i64 = asked(query, "before").parse().unwrap_or(2601);
        let list: Vec<Value> = match asked(query, "state") {
            "pending" => {
                pressed.set();
                let ids = (1..before).rev().take(1000);
                ids.map(|id| one(id, "pending", true)).collect()
            }
            _ if !pressed.is_set() => vec![one(100, "done", false)],
            _ => {
                let ids = (1..before).rev().take(1000);
                ids.map(|id| one(id, "pending", true)).collect()
            }
        };
        Ok(json!({ "deliveries": list }))
    })
    .on_post(step);
    let report = replay(&fake, &wanted(), true, &pressed).unwrap();
    assert_eq!(report.handled.unwrap().waiting, 2500);
}

#[test]
fn what_is_asked_is_said_in_words() {
    let mut wanted = wanted();
    wanted.types.push("y\x1b".into());
    wanted.after = 7;
    assert_eq!(
        wanted.words(),
        "stored events of the type x or y\\u{1b} received since 1970-01-01 00:00:00 UTC above number 7"
    );
}
