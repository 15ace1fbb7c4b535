//! `hookbox events`: what came in.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::operator::table::Table;
use super::operator::{OperatorError, Query, Target, list, print, print_json, text, when};
use crate::config;
use crate::journal::EventRecord;
use crate::types::{EndpointName, EventId, UnixMicros};

const EXAMPLES: &str = "\
Examples:
  hookbox events                                  the newest
  hookbox events --type chat.push --limit 500
  hookbox events 01936b1c-6f0a-7c3e-9d3f-0123456789ab   one, with its body";

/// Show the events that a running host has stored, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// One event: shows its body.
    #[arg(conflicts_with_all = ["endpoint", "event_type", "limit"])]
    id: Option<EventId>,
    /// Only of this endpoint.
    #[arg(long, value_name = "NAME", value_parser = EndpointName::new)]
    endpoint: Option<EndpointName>,
    /// Only of this type.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    target: Target,
}

/// An event with its body, as the host shows it.
#[derive(Deserialize)]
struct Whole {
    seq: i64,
    endpoint: EndpointName,
    event_type: String,
    agent_id: Option<String>,
    session_id: Option<String>,
    received_at: f64,
    body: Box<RawValue>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, OperatorError> {
    let client = args.target.client(&config::environment)?;
    if let Some(id) = args.id {
        let answer = client.get_text(&format!("/api/events/{id}"))?;
        print(&if args.target.json {
            format!("{}\n", text::json(&answer))
        } else {
            show_one(id, &serde_json::from_str(&answer)?)
        });
        return Ok(ExitCode::SUCCESS);
    }
    let mut query = Query::new();
    list::push(&mut query, "endpoint", args.endpoint.as_ref());
    list::push(&mut query, "type", args.event_type.as_ref());
    let events = list::read(&client, "/api/events", "events", "seq", &query, args.limit)?;
    if args.target.json {
        print_json(&json!({"events": events}));
    } else {
        print(&show(&list::typed(events)?));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(events: &[EventRecord]) -> String {
    if events.is_empty() {
        return "no events\n".to_owned();
    }
    let titles = [
        "EVENT",
        ">NUMBER",
        "RECEIVED (UTC)",
        "ENDPOINT",
        "TYPE",
        "SESSION",
        ">PLUGINS",
    ];
    let mut table = Table::new(&titles);
    for event in events {
        table.row([
            event.id.to_string(),
            event.seq.0.to_string(),
            when::show(event.received_at),
            event.endpoint.to_string(),
            text::short(&event.event_type, 40),
            text::short(event.session_id.as_deref().unwrap_or("-"), 40),
            event.deliveries.to_string(),
        ]);
    }
    table.render()
}

fn show_one(id: EventId, event: &Whole) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "shown to the second")]
    let received = UnixMicros((event.received_at * 1e6) as i64);
    let or_none = |text: &Option<String>| text::plain(text.as_deref().unwrap_or("none"));
    format!(
        "event     {id} (number {})\nreceived  {} UTC\nendpoint  {}\ntype      {}\nagent     {}\nsession   {}\n\n{}\n",
        event.seq,
        when::show(received),
        event.endpoint,
        text::plain(&event.event_type),
        or_none(&event.agent_id),
        or_none(&event.session_id),
        text::json(event.body.get())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines_and_one_has_its_body() {
        let id = EventId::generate();
        let record = json!({
            "id": id, "seq": 7, "endpoint": "default", "event_type": "chat.push\x1b[31m",
            "agent_id": null, "session_id": null, "received_at": 1_500_000, "deliveries": 2,
        });
        let text = show(&list::typed(vec![record]).expect("read"));
        let line = format!(
            "{id}       7  1970-01-01 00:00:01  default   chat.push\\u{{1b}}[31m  -              2"
        );
        assert_eq!(text.lines().nth(1), Some(&line[..]));
        assert_eq!(show(&[]), "no events\n");

        // With half a surrogate pair in the body.
        let whole = "{\"seq\":7,\"endpoint\":\"default\",\"event_type\":\"x\",\"agent_id\":\"A1\",\
            \"session_id\":null,\"received_at\":1.5,\"body\":{\"a\":\"\\ud83d\u{9b}\"}}";
        let text = show_one(id, &serde_json::from_str(whole).expect("read"));
        assert!(text.contains("agent     A1\nsession   none\n"), "{text}");
        assert!(text.ends_with("{\"a\":\"\\ud83d\\u009b\"}\n"), "{text}");
    }
}
