//! `hookbox counters`: what a plugin counts.

use std::process::ExitCode;

use serde::Deserialize;

use super::operator::table::Table;
use super::operator::{Api as _, OperatorError, Query, Target, list, print, print_json};
use crate::config;
use crate::journal::Counter;
use crate::types::{EndpointName, PluginName};

const EXAMPLES: &str = "\
Examples:
  hookbox counters --plugin analytics
  hookbox counters --plugin analytics --json";

/// Show what a plugin of a running host counts.
///
/// Each handled event counts once, through any number of retries and crashes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The plugin.
    #[arg(long, value_name = "NAME", value_parser = PluginName::new)]
    plugin: PluginName,
    /// Its endpoint, where several have a plugin of this name.
    #[arg(long, value_name = "NAME", value_parser = EndpointName::new)]
    endpoint: Option<EndpointName>,
    #[command(flatten)]
    target: Target,
}

/// The host's answer.
#[derive(Deserialize)]
struct Counters {
    counters: Vec<Counter>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, OperatorError> {
    let client = args.target.client(&config::environment)?;
    let mut query = Query::new();
    list::push(&mut query, "plugin", Some(&args.plugin));
    list::push(&mut query, "endpoint", args.endpoint.as_ref());
    let answer = client.get("/api/counters", &query)?;
    if args.target.json {
        print_json(&answer);
    } else {
        let Counters { counters } = serde_json::from_value(answer)?;
        print(&show(&counters));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(counters: &[Counter]) -> String {
    if counters.is_empty() {
        return "no counters\n".to_owned();
    }
    let mut table = Table::new(&["COUNTER", ">VALUE"]).cells_up_to(256);
    for counter in counters {
        table.row([counter.name.clone(), counter.value.to_string()]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_lines_that_cannot_act_on_the_terminal() {
        let counters = [Counter {
            name: "messages\x1b[2J".into(),
            value: -3,
        }];
        let text = show(&counters);
        assert!(text.lines().nth(1).is_some_and(|line| line.ends_with("-3")));
        assert!(!text.contains('\x1b'), "{text}");
        assert_eq!(show(&[]), "no counters\n");
    }
}
