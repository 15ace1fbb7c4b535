//! `hookbox doctor`: is everything there that a host needs, and in order?
//!
//! One file for each thing that is looked at; each adds lines to a [`Report`].
//! Nothing is changed, and a host that runs isn't disturbed.

mod clock;
mod compiling;
mod confining;
mod folders;
mod plugins;
mod ports;
mod report;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod toolchain;

use std::process::ExitCode;

use self::report::Report;
use super::operator::{print, print_json};
use super::settings::Settings;
use crate::config::{self, Config};

const EXAMPLES: &str = "\
Examples:
  hookbox doctor
  hookbox doctor --config /etc/hookbox.toml
  hookbox doctor --json

Run it as the user that the host runs as, with the same flags and variables. Without
a running host the whole store is checked, which takes a while if it is large; a host
can't be started on it meanwhile. Exit code: 0, or 1 if there is a problem.";

/// Check configuration, folders, secrets, store, ports, plugins, compiling, confining, toolchain and clock.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let inspect = compiling::inspect_in_child;
    let mut report = examine(&args.settings, &config::environment, &inspect);
    compiling::look(&mut report);
    // Without a configuration the report has said why already.
    if let Ok(config) = Config::load(args.settings.overrides(), &config::environment) {
        confining::look(&args.settings, config.confine, &mut report);
    }
    if args.json {
        print_json(&report.json());
    } else {
        print(&report.text());
    }
    if report.problems() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a plugin's bytes handle, or the first thing that is wrong with them.
type Inspect<'i> = &'i dyn Fn(&[u8]) -> Result<Vec<String>, String>;

fn examine(
    settings: &Settings,
    env: &dyn Fn(&str) -> Option<String>,
    inspect: Inspect<'_>,
) -> Report {
    let mut report = Report::default();
    let config = settings::look(settings, env, &mut report);
    match config {
        Some(config) => {
            folders::data(&config.data, &mut report);
            let held = store::look(&config.data, &mut report);
            ports::look(&config, held, &mut report);
            for endpoint in &config.endpoints {
                folders::plugins(endpoint, &mut report);
                plugins::look(endpoint, &config.limits, inspect, &mut report);
            }
            clock::look(&config.data, &mut report);
        }
        None => report.warning(
            "the rest",
            "folders, store, ports and plugins are looked at once the configuration is right",
            None,
        ),
    }
    toolchain::look(&mut report);
    report
}
