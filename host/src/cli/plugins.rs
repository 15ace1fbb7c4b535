//! `hookbox plugins`: what a running host has loaded.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::operator::table::Table;
use super::operator::{Api, OperatorError, Query, Target, list, print, print_json, text, when};
use crate::config;
use crate::dispatch::{BreakerState, BreakerStatus};
use crate::plugins::registry::RolledBack;
use crate::types::{EndpointName, PluginName, UnixMicros};

const EXAMPLES: &str = "\
Examples:
  hookbox plugins
  hookbox plugins --json --admin 127.0.0.1:4001";

/// Show a running host's plugins: what runs, what it handles, what is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
}

/// A plugin as the host shows it.
#[derive(Deserialize)]
struct Plugin {
    endpoint: EndpointName,
    plugin: PluginName,
    version: Option<String>,
    handlers: Vec<String>,
    since: Option<UnixMicros>,
    loading: bool,
    problem: Option<String>,
    disabled: bool,
    #[serde(default)]
    breaker: BreakerStatus,
    #[serde(default)]
    rolled_back: Option<RolledBack>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, OperatorError> {
    let client = args.target.client(&config::environment)?;
    let mut answer = client.get("/api/plugins", &Query::new())?;
    if args.target.json {
        print_json(&json!({"plugins": answer["plugins"].take()}));
    } else {
        let plugins = serde_json::from_value(answer["plugins"].take())?;
        print(&show(&list::typed(plugins)?));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(plugins: &[Plugin]) -> String {
    if plugins.is_empty() {
        return "no plugins: copy a .wasm into the plugins folder\n".to_owned();
    }
    let titles = ["PLUGIN", "STATE", "VERSION", "SINCE (UTC)", "HANDLES"];
    let mut table = Table::new(&titles);
    for plugin in plugins {
        table.row([
            name(&plugin.endpoint, &plugin.plugin),
            plugin.state().to_owned(),
            plugin.version.clone().unwrap_or_default(),
            plugin.since.map(when::show).unwrap_or_default(),
            plugin.handlers.join(", "),
        ]);
    }
    let mut out = table.render();
    for plugin in plugins {
        let name = name(&plugin.endpoint, &plugin.plugin);
        // Whole: it says what to do.
        let problem = plugin.problem.clone().into_iter();
        for said in problem.chain(plugin.pause()).chain(plugin.rollback()) {
            out.push_str(&format!("\n{name}: {}\n", text::plain(&said)));
        }
    }
    out
}

impl Plugin {
    fn state(&self) -> &'static str {
        match (&self.version, &self.problem) {
            _ if self.disabled => "disabled",
            (Some(_), Some(_)) => "old version",
            (None, Some(_)) => "broken",
            _ if self.loading => "loading",
            (Some(_), None) if self.breaker.state != BreakerState::Closed => "paused",
            (Some(_), None) if self.rolled_back.is_some() => "rolled back",
            (Some(_), None) => "running",
            (None, None) => "waiting",
        }
    }

    /// What doesn't run, if it was rolled back, and what to do.
    fn rollback(&self) -> Option<String> {
        let RolledBack {
            version,
            reason,
            since,
        } = self.rolled_back.as_ref()?;
        Some(format!(
            "version {version}, which lies in the folder, was rolled back at {} UTC: {reason}; the version before it runs until the file is replaced (or its manifest says `failures = 0` under [rollback])",
            when::show(*since)
        ))
    }

    /// Why it is paused and when it goes on, if it is.
    fn pause(&self) -> Option<String> {
        let next = match (self.breaker.state, self.breaker.until) {
            (BreakerState::Closed, _) => return None,
            (BreakerState::Open, Some(until)) => {
                format!("one attempt is made after {} UTC", when::show(until))
            }
            (BreakerState::Open | BreakerState::Probing, _) => {
                "one attempt is being made".to_owned()
            }
        };
        Some(format!(
            "paused, since its latest {} attempts failed; {next}, and its deliveries wait (`hookbox deliveries --plugin {} --state pending` shows the reasons)",
            self.breaker.failures, self.plugin
        ))
    }
}

/// A plugin's name, with its endpoint where that isn't the default one.
pub(super) fn name(endpoint: &EndpointName, plugin: &PluginName) -> String {
    if *endpoint == EndpointName::default_endpoint() {
        plugin.to_string()
    } else {
        format!("{endpoint}/{plugin}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::PluginStatus;

    #[test]
    fn each_plugin_has_a_state_and_a_problem_is_shown_whole() {
        let plugin = |name: &str, more: serde_json::Value| {
            // As the host makes it.
            let mut all = json!(PluginStatus::default());
            all["endpoint"] = json!("default");
            all["plugin"] = json!(name);
            all["handlers"] = json!(["on-event"]);
            for (key, value) in more.as_object().expect("an object") {
                all[key] = value.clone();
            }
            all
        };
        let long = "x".repeat(300);
        let plugins = list::typed(vec![
            plugin("a", json!({"version": "abc", "since": 0})),
            plugin(
                "b",
                json!({"version": "abc", "problem": long, "endpoint": "shop"}),
            ),
            plugin("c", json!({"problem": "no\x1bwasm"})),
            plugin("d", json!({"loading": true})),
            plugin("e", json!({"disabled": true})),
            plugin(
                "g",
                json!({"version": "old", "rolled_back": {"version": "new", "reason": "3 of 3\n", "since": 0}}),
            ),
            plugin(
                "f",
                json!({"version": "abc", "breaker": {"state": "open", "until": 5, "failures": 20}}),
            ),
        ]);
        let text = show(&plugins.expect("read"));
        for line in [
            "a       running      abc      1970-01-01 00:00:00  on-event",
            "shop/b  old version  abc                           on-event",
            "c       broken                                     on-event",
            "f       paused       abc                           on-event",
            "g       rolled back  old                           on-event",
            "g: version new, which lies in the folder, was rolled back at 1970-01-01 00:00:00 UTC: 3 of 3\\n; the version before it runs until the file is replaced (or its manifest says `failures = 0` under [rollback])",
            "f: paused, since its latest 20 attempts failed; one attempt is made after 1970-01-01 00:00:00 UTC, and its deliveries wait (`hookbox deliveries --plugin f --state pending` shows the reasons)",
            &format!("shop/b: {long}"),
            "c: no\\u{1b}wasm",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(show(&[]).contains("copy a .wasm"));
    }
}
