//! `hookbox replay`: past events for a plugin, once more or for the first time.
//!
//! Asks → makes the deliveries step by step ([`steps`]) → waits until they are
//! handled ([`wait`]) → says what became of them. Progress goes to standard
//! error, the result to standard output.

mod progress;
mod steps;
#[cfg(test)]
mod tests;
mod wait;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use self::progress::Progress;
use self::steps::Made;
use self::wait::Handled;
use super::operator::interrupt::{EXIT_CODE, Interrupt};
use super::operator::{Api, OperatorError, Target, print, print_json, text, when};
use crate::config;
use crate::types::{EndpointName, PluginName, UnixMicros};

const EXAMPLES: &str = "\
Examples:
  hookbox replay --plugin analytics                      everything that is stored, for a new plugin
  hookbox replay --plugin transcript --since 2h --type chat.push
  hookbox replay --plugin transcript --since 2026-11-20T10:00Z --until 2026-11-20T12:00Z --yes

Each event becomes a new delivery, outside its session's order: handlers run again,
and what they count and send is counted and sent again. Ctrl-C while deliveries are
made stops there (it says how to go on); after that it only ends the waiting.
Exit code: 0 if all were handled, 1 if some were not, 130 after Ctrl-C.";

/// Deliver stored events to a plugin again.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Whom to deliver to; its own filters hold as well.
    #[arg(long, value_name = "NAME", value_parser = PluginName::new)]
    plugin: PluginName,
    /// The plugin's endpoint, where several have one of this name.
    #[arg(long, value_name = "NAME", value_parser = EndpointName::new)]
    endpoint: Option<EndpointName>,
    /// Only events received since then: `2h` ago, `2026-11-20`, `2026-11-20T10:00Z`.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only events received before then.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only this type. Can be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events above this number: where a stopped replay goes on.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: i64,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
    /// Don't wait until the deliveries are handled.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    target: Target,
}

/// What is replayed, resolved.
#[derive(Clone, Debug)]
struct Wanted {
    plugin: PluginName,
    endpoint: Option<EndpointName>,
    since: Option<UnixMicros>,
    until: Option<UnixMicros>,
    types: Vec<String>,
    after: i64,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, OperatorError> {
    let wanted = Wanted::new(args, UnixMicros::now())?;
    let client = args.target.client(&config::environment)?;
    if !args.yes && !confirmed(&wanted)? {
        return Ok(ExitCode::FAILURE);
    }
    let interrupt = Interrupt::watch().map_err(OperatorError::Signals)?;
    let report = replay(&client, &wanted, !args.no_wait, &interrupt)?;
    if args.target.json {
        print_json(&report.json());
    } else {
        print(&report.text(&wanted));
    }
    Ok(report.exit_code())
}

impl Wanted {
    fn new(args: &Args, now: UnixMicros) -> Result<Self, OperatorError> {
        let moment = |flag, text: &Option<String>| {
            let parsed = text.as_deref().map(|text| when::parse(text, now));
            parsed
                .transpose()
                .map_err(|source| OperatorError::When { flag, source })
        };
        Ok(Self {
            plugin: args.plugin.clone(),
            endpoint: args.endpoint.clone(),
            since: moment("--since", &args.since)?,
            until: moment("--until", &args.until)?,
            types: args.types.clone(),
            after: args.after,
        })
    }

    /// In words, to be confirmed.
    fn words(&self) -> String {
        let mut words = match &self.types[..] {
            [] => "all stored events".to_owned(),
            types => format!("stored events of the type {}", types.join(" or ")),
        };
        if let Some(since) = self.since {
            words.push_str(&format!(" received since {} UTC", when::show(since)));
        }
        if let Some(until) = self.until {
            words.push_str(&format!(" received before {} UTC", when::show(until)));
        }
        if self.after > 0 {
            words.push_str(&format!(" above number {}", self.after));
        }
        text::plain(&words)
    }
}

fn confirmed(wanted: &Wanted) -> Result<bool, OperatorError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(OperatorError::Unconfirmed);
    }
    let mut out = std::io::stderr();
    let _ = write!(
        out,
        "Deliver {} to {}? Its handlers run again, and what they count and send is counted and sent again. [y/N] ",
        wanted.words(),
        wanted.plugin
    );
    let _ = out.flush();
    let mut answer = String::new();
    // Who can't answer hasn't agreed.
    let _ = stdin.lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What became of a replay.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    made: Made,
    /// Nothing if nobody waited.
    handled: Option<Handled>,
}

fn replay(
    api: &impl Api,
    wanted: &Wanted,
    wait: bool,
    interrupt: &Interrupt,
) -> Result<Report, OperatorError> {
    let mut progress = Progress::default();
    let mark = wait::newest(api)?;
    let made = steps::make(api, wanted, interrupt, &mut progress)?;
    let handled = if wait && made.next.is_none() && made.deliveries > 0 {
        Some(wait::until_handled(
            api,
            wanted,
            mark,
            made.deliveries,
            interrupt,
            &mut progress,
        )?)
    } else {
        None
    };
    Ok(Report { made, handled })
}

impl Report {
    fn json(&self) -> Value {
        let mut json = json!({
            "seen": self.made.seen,
            "deliveries": self.made.deliveries,
            "next": self.made.next,
        });
        if let Some(handled) = &self.handled {
            json["done"] = json!(handled.done);
            json["dead"] = json!(handled.dead);
            json["ignored"] = json!(handled.ignored);
            json["waiting"] = json!(handled.waiting);
        }
        json
    }

    fn text(&self, wanted: &Wanted) -> String {
        let Made {
            seen,
            deliveries,
            next,
        } = &self.made;
        let mut text = format!("{seen} events seen, {deliveries} deliveries made");
        if let Some(next) = next {
            text.push_str(&format!(
                "; stopped: the same command with --after {next} goes on"
            ));
        }
        text.push('\n');
        let Some(handled) = &self.handled else {
            return text;
        };
        text.push_str(&format!("{} done, {} dead", handled.done, handled.dead));
        for (count, what) in [
            (handled.ignored, "ignored"),
            (handled.waiting, "still waiting"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text.push('\n');
        if handled.dead > 0 {
            let plugin = &wanted.plugin;
            text.push_str(&format!(
                "see why: hookbox deliveries --state dead --plugin {plugin}\n"
            ));
        }
        text
    }

    fn exit_code(&self) -> ExitCode {
        match &self.handled {
            _ if self.made.next.is_some() => ExitCode::from(EXIT_CODE),
            Some(handled) if handled.waiting > 0 => ExitCode::from(EXIT_CODE),
            Some(handled) if handled.dead > 0 => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }
}
