//! Deliveries and attempts for people.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::cli::operator::table::Table;
use crate::cli::operator::{text, when};
use crate::cli::plugins;
use crate::journal::{AttemptRecord, DeliveryRecord, DeliveryState};

/// A delivery with its attempts, as the host shows it.
#[derive(Deserialize)]
pub(super) struct One {
    delivery: DeliveryRecord,
    attempts: Vec<AttemptRecord>,
}

fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "pending",
        DeliveryState::Done => "done",
        DeliveryState::Ignored => "ignored",
        DeliveryState::Dead => "dead",
    }
}

/// As in a list.
pub(super) fn all(deliveries: &[DeliveryRecord]) -> String {
    if deliveries.is_empty() {
        return "no deliveries\n".to_owned();
    }
    let titles = [
        ">ID",
        "STATE",
        "PLUGIN",
        "TYPE",
        "SESSION",
        ">TRIES",
        ">TOOK",
        "NEXT TRY (UTC)",
        "REASON",
    ];
    let mut table = Table::new(&titles);
    for delivery in deliveries {
        let state = word(delivery.state);
        let by_hand = if delivery.manual { " (by hand)" } else { "" };
        table.row([
            delivery.id.to_string(),
            format!("{state}{by_hand}"),
            plugins::name(&delivery.plugin.endpoint, &delivery.plugin.plugin),
            text::short(&delivery.event_type, 40),
            text::short(delivery.session_id.as_deref().unwrap_or("-"), 40),
            delivery.attempts.to_string(),
            delivery.duration_us.map(when::took).unwrap_or_default(),
            due(delivery),
            delivery.reason.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

fn due(delivery: &DeliveryRecord) -> String {
    let waits = delivery.state == DeliveryState::Pending;
    let due = delivery.due_at.filter(|_| waits);
    due.map(when::show).unwrap_or_default()
}

/// One, with all that is known.
pub(super) fn one(One { delivery, attempts }: &One) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing into a string can't fail.
        let _ = writeln!(out, "{name:<9} {}", text::plain(value));
    };
    let by_hand = if delivery.manual {
        ", run again or replayed by hand"
    } else {
        ""
    };
    line("delivery", &delivery.id.to_string());
    line("state", &format!("{}{by_hand}", word(delivery.state)));
    line(
        "plugin",
        &plugins::name(&delivery.plugin.endpoint, &delivery.plugin.plugin),
    );
    line(
        "event",
        &format!("{} ({})", delivery.event, delivery.event_type),
    );
    line("session", delivery.session_id.as_deref().unwrap_or("none"));
    line("tries", &delivery.attempts.to_string());
    let due = due(delivery);
    if !due.is_empty() {
        line("next try", &format!("{due} UTC"));
    }
    if let Some(reason) = &delivery.reason {
        line("reason", reason);
    }
    if attempts.is_empty() {
        out.push_str("\nno attempt has ended\n");
    }
    for one in attempts {
        out.push('\n');
        attempt(&mut out, one);
    }
    if delivery.state == DeliveryState::Dead {
        let _ = writeln!(out, "\nto run it again: hookbox retry {}", delivery.id);
    }
    out
}

fn attempt(out: &mut String, attempt: &AttemptRecord) {
    let outcome = match attempt.outcome {
        // It failed, and the delivery waited for the next attempt.
        DeliveryState::Pending => "failed",
        state => word(state),
    };
    let _ = writeln!(
        out,
        "attempt {}: {outcome}, {} UTC, took {}, cpu {}, memory {} KiB",
        attempt.number,
        when::show(attempt.started_at),
        when::took(attempt.duration_us),
        when::took(attempt.cpu_us),
        attempt.peak_memory.div_ceil(1024),
    );
    if let Some(reason) = &attempt.reason {
        let _ = writeln!(out, "  {}", text::plain(reason));
    }
    for line in &attempt.log {
        let context = match &line.context[..] {
            "" => String::new(),
            context => format!("[{}] ", text::plain(context)),
        };
        let level = text::plain(&line.level);
        let _ = writeln!(out, "  {level:>5} {context}{}", text::plain(&line.message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::operator::list;
    use serde_json::json;

    fn delivery(more: &serde_json::Value) -> serde_json::Value {
        let mut all = json!({
            "id": 7, "endpoint": "default", "plugin": "greeter",
            "event": "01936b1c-6f0a-7c3e-9d3f-0123456789ab", "event_type": "chat.push",
            "session_id": "s1", "state": "dead", "manual": false, "attempts": 10,
            "due_at": null, "reason": "trap:\nunreachable", "duration_us": 1200,
            "cpu_us": 10, "peak_memory": 65536,
        });
        for (key, value) in more.as_object().expect("an object") {
            all[key] = value.clone();
        }
        all
    }

    #[test]
    fn a_list_has_a_line_for_each() {
        let waiting = json!({"id": 8, "state": "pending", "manual": true, "due_at": 0, "endpoint": "shop", "session_id": null});
        let rows = vec![delivery(&json!({})), delivery(&waiting)];
        let text = all(&list::typed(rows).expect("read"));
        let words = |at: usize| -> Vec<&str> {
            let line = text.lines().nth(at).expect("a line");
            line.split("  ")
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .collect()
        };
        assert_eq!(
            words(1),
            [
                "7",
                "dead",
                "greeter",
                "chat.push",
                "s1",
                "10",
                "1.2 ms",
                "trap:\\nunreachable"
            ]
        );
        assert_eq!(words(2)[..3], ["8", "pending (by hand)", "shop/greeter"]);
        assert_eq!(words(2)[4..7], ["-", "10", "1.2 ms"]);
        assert_eq!(words(2)[7], "1970-01-01 00:00:00");
        assert_eq!(all(&[]), "no deliveries\n");
    }

    #[test]
    fn one_is_shown_with_its_attempts_and_what_they_logged() {
        let whole = json!({
            "delivery": delivery(&json!({"manual": true})),
            "attempts": [{
                "number": 2, "outcome": "dead", "reason": "trap", "started_at": 0,
                "duration_us": 1200, "cpu_us": 999, "peak_memory": 65537,
                "log": [
                    {"level": "info", "context": "", "message": "hi\u{1b}[0m"},
                    {"level": "error", "context": "stderr", "message": "oh"},
                ],
            }, {
                "number": 1, "outcome": "pending", "reason": "busy", "started_at": 0,
                "duration_us": 1, "cpu_us": 1, "peak_memory": 0, "log": [],
            }],
        });
        let text = one(&serde_json::from_value(whole).expect("read"));
        for line in [
            "state     dead, run again or replayed by hand",
            "reason    trap:\\nunreachable",
            "attempt 2: dead, 1970-01-01 00:00:00 UTC, took 1.2 ms, cpu 999 µs, memory 65 KiB",
            "   info hi\\u{1b}[0m",
            "  error [stderr] oh",
            "attempt 1: failed, 1970-01-01 00:00:00 UTC, took 1 µs, cpu 1 µs, memory 0 KiB",
            "to run it again: hookbox retry 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
