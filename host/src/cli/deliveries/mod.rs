//! `hookbox deliveries`: what became of the events.

mod show;

use std::process::ExitCode;

use serde_json::json;

use super::operator::{Api, OperatorError, Query, Target, list, print, print_json};
use crate::config;
use crate::types::{EndpointName, EventId, PluginName};

const EXAMPLES: &str = "\
Examples:
  hookbox deliveries                        the newest
  hookbox deliveries --state dead           what was given up
  hookbox deliveries --plugin transcript --state pending --limit 500
  hookbox deliveries --event 01936b1c-6f0a-7c3e-9d3f-0123456789ab
  hookbox deliveries 4711                   one, with its attempts and what they logged";

/// Show the deliveries of a running host, newest first; one with its attempts.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// One delivery: shows its attempts and logs.
    #[arg(conflicts_with_all = ["state", "plugin", "endpoint", "event", "limit"])]
    id: Option<i64>,
    /// Only in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only of this plugin.
    #[arg(long, value_name = "NAME", value_parser = PluginName::new)]
    plugin: Option<PluginName>,
    /// The plugin's endpoint, where several have one of this name.
    #[arg(long, value_name = "NAME", value_parser = EndpointName::new, requires = "plugin")]
    endpoint: Option<EndpointName>,
    /// Only of this event.
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    target: Target,
}

/// A delivery's state, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// Waits for an attempt, or one is running.
    Pending,
    /// A handler has handled it.
    Done,
    /// The plugin has no handler for it.
    Ignored,
    /// Given up.
    Dead,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Dead => "dead",
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, OperatorError> {
    let client = args.target.client(&config::environment)?;
    if let Some(id) = args.id {
        let answer = client.get(&format!("/api/deliveries/{id}"), &Query::new())?;
        if args.target.json {
            print_json(&answer);
        } else {
            print(&show::one(&serde_json::from_value(answer)?));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut query = Query::new();
    list::push(&mut query, "state", args.state.map(State::word).as_ref());
    list::push(&mut query, "plugin", args.plugin.as_ref());
    list::push(&mut query, "endpoint", args.endpoint.as_ref());
    list::push(&mut query, "event", args.event.as_ref());
    let (path, name) = ("/api/deliveries", "deliveries");
    let deliveries = list::read(&client, path, name, "id", &query, args.limit)?;
    if args.target.json {
        print_json(&json!({"deliveries": deliveries}));
    } else {
        print(&show::all(&list::typed(deliveries)?));
    }
    Ok(ExitCode::SUCCESS)
}
