//! `hookbox outbox`: what plugins want sent.

use std::process::ExitCode;

use serde_json::json;

use super::operator::table::Table;
use super::operator::{OperatorError, Query, Target, list, print, print_json, text, when};
use super::plugins;
use crate::config;
use crate::journal::{OutboxRecord, OutboxState};
use crate::types::{EndpointName, PluginName};

const EXAMPLES: &str = "\
Examples:
  hookbox outbox                            the newest
  hookbox outbox --state dead               what was given up, and why
  hookbox retry --outbox 17                 sends a dead one again
  hookbox outbox --plugin slack-notifier --delivery 4711";

/// Show the requests that a running host sends for its plugins, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only of this plugin.
    #[arg(long, value_name = "NAME", value_parser = PluginName::new)]
    plugin: Option<PluginName>,
    /// The plugin's endpoint, where several have one of this name.
    #[arg(long, value_name = "NAME", value_parser = EndpointName::new, requires = "plugin")]
    endpoint: Option<EndpointName>,
    /// Only of this delivery.
    #[arg(long, value_name = "ID")]
    delivery: Option<i64>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    target: Target,
}

/// A request's state, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// Waits to be sent, or is being sent.
    Pending,
    /// Was answered.
    Sent,
    /// Given up.
    Dead,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, OperatorError> {
    let client = args.target.client(&config::environment)?;
    let mut query = Query::new();
    list::push(&mut query, "state", args.state.map(State::word).as_ref());
    list::push(&mut query, "plugin", args.plugin.as_ref());
    list::push(&mut query, "endpoint", args.endpoint.as_ref());
    list::push(&mut query, "delivery", args.delivery.as_ref());
    let (path, name) = ("/api/outbox", "requests");
    let requests = list::read(&client, path, name, "id", &query, args.limit)?;
    if args.target.json {
        print_json(&json!({"requests": requests}));
    } else {
        print(&show(&list::typed(requests)?));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(requests: &[OutboxRecord]) -> String {
    if requests.is_empty() {
        return "no requests\n".to_owned();
    }
    let titles = [
        ">ID",
        "STATE",
        "PLUGIN",
        ">DELIVERY",
        "REQUEST",
        "QUEUED (UTC)",
        ">TRIES",
        "NEXT TRY (UTC)",
        ">STATUS",
        "REASON",
    ];
    // There is no view of one request: its reason is shown here or nowhere.
    let mut table = Table::new(&titles).cells_up_to(400);
    for request in requests {
        let state = match request.state {
            OutboxState::Pending => State::Pending,
            OutboxState::Sent => State::Sent,
            OutboxState::Dead => State::Dead,
        };
        let due = request.due_at.filter(|_| state == State::Pending);
        table.row([
            request.id.to_string(),
            state.word().to_owned(),
            plugins::name(&request.plugin.endpoint, &request.plugin.plugin),
            request.delivery.to_string(),
            text::short(&format!("{} {}", request.method, request.target), 60),
            when::show(request.queued_at),
            request.attempts.to_string(),
            due.map(when::show).unwrap_or_default(),
            request
                .status
                .map(|status| status.to_string())
                .unwrap_or_default(),
            request.reason.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_lines() {
        let request = json!({
            "id": 3, "endpoint": "default", "plugin": "slack-notifier",
            "event": "01936b1c-6f0a-7c3e-9d3f-0123456789ab", "delivery": 7, "index": 0,
            "method": "POST", "target": "https://hooks.example.com:443", "state": "dead",
            "attempts": 8, "queued_at": 0, "due_at": 5, "status": 503, "reason": format!("busy\x07{}", "y".repeat(200)),
        });
        let text = show(&list::typed(vec![request]).expect("read"));
        let line = text.lines().nth(1).expect("a line");
        let words: Vec<_> = line
            .split("  ")
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        assert_eq!(
            words,
            [
                "3",
                "dead",
                "slack-notifier",
                "7",
                "POST https://hooks.example.com:443",
                "1970-01-01 00:00:00",
                "8",
                "503",
                &format!("busy\\u{{7}}{}", "y".repeat(200))
            ]
        );
        assert_eq!(show(&[]), "no requests\n");
    }
}
