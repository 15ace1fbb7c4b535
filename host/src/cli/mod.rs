//! One file a command: each has its `Args` (with `--help` and examples) and
//! `run`. A new command is a line in [`Command`] and one in [`dispatch`].
//!
//! Exit codes are decided here: 0 for success, 1 for a failure or a command's
//! own "no", 2 for a wrong command line.

mod build;
mod check;
mod compile;
mod confined;
mod counters;
mod deliveries;
mod demo;
mod doctor;
mod events;
mod logging;
mod operator;
mod outbox;
mod plugins;
mod replay;
mod retry;
mod send;
mod serve;
mod settings;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A WebAssembly plugin host for webhook events.
#[derive(Debug, Parser)]
#[command(name = "hookbox", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Build(build::Args),
    Check(check::Args),
    Send(send::Args),
    Plugins(plugins::Args),
    Events(events::Args),
    Deliveries(deliveries::Args),
    Outbox(outbox::Args),
    Counters(counters::Args),
    Retry(retry::Args),
    Replay(replay::Args),
    Doctor(doctor::Args),
    /// The child process that compiles one plugin.
    #[command(hide = true)]
    Compile(compile::Args),
    /// Tries what a confined host can do.
    #[command(hide = true)]
    Confined(confined::Args),
}

fn dispatch(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    Ok(match command {
        Command::Serve(args) => serve::run(&args)?,
        Command::Demo(args) => demo::run(&args)?,
        Command::Build(args) => {
            build::run(args)?;
            ExitCode::SUCCESS
        }
        Command::Check(args) => check::run(&args)?.into(),
        Command::Send(args) => send::run(&args)?,
        Command::Plugins(args) => plugins::run(&args)?,
        Command::Events(args) => events::run(&args)?,
        Command::Deliveries(args) => deliveries::run(&args)?,
        Command::Outbox(args) => outbox::run(&args)?,
        Command::Counters(args) => counters::run(&args)?,
        Command::Retry(args) => retry::run(&args)?,
        Command::Replay(args) => replay::run(&args)?,
        Command::Doctor(args) => doctor::run(&args),
        Command::Compile(args) => {
            compile::run(&args)?;
            ExitCode::SUCCESS
        }
        Command::Confined(args) => {
            confined::run(&args)?;
            ExitCode::SUCCESS
        }
    })
}

/// Reads the command line and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    // clap answers --help (0) and wrong command lines (2) itself.
    let cli = Cli::parse();
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell if even this can't be written.
            let _ = writeln!(
                std::io::stderr(),
                "hookbox: {}",
                harmless(&with_sources(error.as_ref()))
            );
            ExitCode::FAILURE
        }
    }
}

/// A message of several lines in which nothing acts on the terminal: a host or a
/// file may have had a part in it.
fn harmless(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(operator::text::plain).collect();
    lines.join("\n")
}

/// The message, and the causes that it doesn't name itself.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn a_message_does_nothing_but_begin_lines() {
        let text = super::harmless("no \u{1b}[2Janswer:\n  \u{202e}x\r");
        assert_eq!(text, "no \\u{1b}[2Janswer:\n  \\u{202e}x\\r");
    }

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
