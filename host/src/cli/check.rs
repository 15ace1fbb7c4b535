//! `hookbox check FILE`: what a plugin's file offers, and exactly what doesn't fit.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::contract::{self, Inspection, Item, MAX_BYTES, ReadError};
use crate::plugins::confine::{self, Bounds};

const EXAMPLES: &str = "\
Examples:
  hookbox check plugins/transcript.wasm
  hookbox check --json target/wasm32-unknown-unknown/release/transcript.wasm

Exit code: 0 if the file fits, 1 if it doesn't, 2 if it can't be read.";

/// Explain what a component or core module exports and imports, what doesn't
/// fit the contract, and what to do about it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The .wasm file: a component, or a core module made by wit-bindgen.
    pub file: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The host can run it.
    Fits,
    /// It is WebAssembly, and the host can't run it.
    DoesNotFit,
    /// It isn't there, is no WebAssembly, or is damaged.
    Unreadable,
}

impl Verdict {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Fits => 0,
            Self::DoesNotFit => 1,
            Self::Unreadable => 2,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::DoesNotFit => "does-not-fit",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        Self::from(verdict.exit_code())
    }
}

/// Why there was nothing to check.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("can't read {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: ReadError },
}

/// Checks the file and prints what there is to say: on standard output, or on
/// standard error where there was nothing to check.
///
/// # Errors
/// When the output can't be written.
pub(super) fn run(args: &Args) -> io::Result<Verdict> {
    let checked = match load(args) {
        Ok(bytes) => {
            confine()?;
            check(args, &bytes)
        }
        Err(error) => Err(error),
    };
    match checked {
        Ok((verdict, text)) => {
            io::stdout().lock().write_all(text.as_bytes())?;
            Ok(verdict)
        }
        Err(error) => {
            writeln!(io::stderr(), "hookbox: {error}")?;
            Ok(Verdict::Unreadable)
        }
    }
}

/// Before the first byte is looked at: it may be somebody else's plugin. What is
/// printed may go into a file.
fn confine() -> io::Result<()> {
    let bounds = Bounds {
        file: u64::MAX,
        ..Bounds::default()
    };
    confine::confine(bounds, |_| {}).map(drop)
}

fn load(args: &Args) -> Result<Vec<u8>, CheckError> {
    read(&args.file).map_err(|source| CheckError::Open {
        path: args.file.clone(),
        source,
    })
}

fn check(args: &Args, bytes: &[u8]) -> Result<(Verdict, String), CheckError> {
    let result = contract::read(bytes).map(|(_, inspection)| inspection);
    let verdict = verdict(&result);
    let text = match result {
        _ if args.json => format!("{:#}\n", as_json(&args.file, verdict, &result)),
        Err(reason) if verdict == Verdict::Unreadable => {
            let path = args.file.clone();
            return Err(CheckError::Unreadable { path, reason });
        }
        Err(reason) => format!("{}\n\nIt doesn't fit: {reason}\n", args.file.display()),
        Ok(inspection) => as_text(&args.file, bytes.len(), &inspection),
    };
    Ok((verdict, text))
}

/// Reads one byte more than the host looks at: enough to tell that it is too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    File::open(path)?
        .take(bound.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn verdict(result: &Result<Inspection, ReadError>) -> Verdict {
    match result {
        Ok(inspection) if inspection.fits() => Verdict::Fits,
        Ok(_)
        | Err(
            ReadError::AsyncAbi
            | ReadError::NoComponentType { .. }
            | ReadError::Encode(_)
            | ReadError::WitPackage
            | ReadError::Decode(_)
            | ReadError::TooManyItems(..),
        ) => Verdict::DoesNotFit,
        Err(_) => Verdict::Unreadable,
    }
}

fn as_json(file: &Path, verdict: Verdict, result: &Result<Inspection, ReadError>) -> Value {
    let mut report = json!({
        "file": file.display().to_string(),
        "verdict": verdict.word(),
        "contract": format!("{}@{}", contract::PACKAGE, contract::VERSION),
    });
    match result {
        Err(reason) => report["error"] = reason.to_string().into(),
        Ok(inspection) => {
            let problems = inspection.problems.iter().map(|problem| {
                json!({
                    "place": problem.place,
                    "what": problem.what,
                    "message": problem.what.to_string(),
                    "advice": problem.advice(),
                })
            });
            report["problems"] = problems.collect();
            report["handlers"] = inspection.handlers.interfaces().collect();
            report["exports"] = items_as_json(&inspection.exports);
            report["imports"] = items_as_json(&inspection.imports);
        }
    }
    report
}

fn items_as_json(items: &[Item]) -> Value {
    let item = |item: &Item| json!({ "name": item.name, "functions": item.functions });
    items.iter().map(item).collect()
}

fn as_text(file: &Path, size: usize, inspection: &Inspection) -> String {
    let mut out = String::new();
    // Writing into a string can't fail.
    let _ = writeln!(out, "{} ({size} bytes)\n", file.display());
    section(&mut out, "It exports", &inspection.exports);
    section(&mut out, "It imports", &inspection.imports);
    let handled: Vec<_> = inspection.handlers.interfaces().map(handles).collect();
    if inspection.fits() {
        let _ = writeln!(out, "It fits: it handles {}.", handled.join(", "));
        return out;
    }
    let _ = writeln!(out, "It doesn't fit:");
    for (index, problem) in inspection.problems.iter().enumerate() {
        let _ = writeln!(out, "  {}. {problem}", index + 1);
        let _ = writeln!(out, "     What to do: {}.", problem.advice());
    }
    out
}

fn section(out: &mut String, title: &str, items: &[Item]) {
    if items.is_empty() {
        let _ = writeln!(out, "{title} nothing.\n");
        return;
    }
    let _ = writeln!(out, "{title}:");
    for item in items {
        let _ = writeln!(out, "  {}{}", item.name, purpose(&item.name));
        for function in &item.functions {
            let _ = writeln!(out, "    {function}");
        }
    }
    out.push('\n');
}

/// What an interface is for, where its name doesn't say it.
fn purpose(name: &str) -> &'static str {
    let is = |interface: &str| name.starts_with(interface);
    match () {
        () if is("wasi:logging/") => ": log lines",
        () if is("wasi:config/") => ": the manifest's [config] and [secrets]",
        () if is("wasi:keyvalue/") => ": the plugin's own entries",
        () if is("hookbox:plugin/counters@") => ": numbers for the operator",
        () if is("hookbox:plugin/outbox@") => ": requests that the manifest's [http] allows",
        () if is("hookbox:plugin/types@") => ": the contract's records",
        () if is("wasi:cli/stdin") => ": an empty input",
        () if is("wasi:cli/stdout") || is("wasi:cli/stderr") => ": lines become log lines",
        () if is("wasi:cli/terminal") => ": no terminal",
        () if is("wasi:cli/environment") => ": an empty environment",
        () if is("wasi:filesystem/") => ": an empty file system",
        () if is("wasi:http/outgoing-handler") => {
            ": requests that the manifest allows under [http]"
        }
        () if is("wasi:sockets/") => ": no network",
        () => "",
    }
}

fn handles(interface: &str) -> &'static str {
    match interface {
        "on-room-join" => "`room.join`",
        "on-chat-push" => "`chat.push`",
        _ => "every event without a typed handler",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn verdict_on(bytes: &[u8]) -> Verdict {
        verdict(&contract::read(bytes).map(|(_, inspection)| inspection))
    }

    #[test]
    fn exit_codes_tell_what_doesnt_fit_from_what_cant_be_read() {
        let module = wat::parse_str("(module)").unwrap();
        let component = wat::parse_str("(component)").unwrap();
        assert_eq!(verdict_on(&module).exit_code(), 1);
        assert_eq!(verdict_on(&component).exit_code(), 1);
        assert_eq!(verdict_on(b"not wasm").exit_code(), 2);
        assert_eq!(verdict_on(&component[..5]).exit_code(), 2);
    }

    #[test]
    fn a_file_that_isnt_there_is_named() {
        let args = Args {
            file: "no/such/file.wasm".into(),
            json: false,
        };
        let error = load(&args).unwrap_err().to_string();
        assert!(
            error.starts_with("can't read no/such/file.wasm: "),
            "{error}"
        );
    }

    #[test]
    fn text_and_json_say_what_is_wrong_and_what_to_do() {
        let component = wat::parse_str("(component)").unwrap();
        let (_, inspection) = contract::read(&component).unwrap();
        let text = as_text(Path::new("x.wasm"), component.len(), &inspection);
        assert!(text.contains("It imports nothing."), "{text}");
        assert!(
            text.contains("1. the component exports no handler"),
            "{text}"
        );
        assert!(text.contains("What to do: export one or more of"), "{text}");

        let json = as_json(Path::new("x.wasm"), Verdict::DoesNotFit, &Ok(inspection));
        assert_eq!(json["verdict"], "does-not-fit");
        assert_eq!(json["problems"][0]["what"]["kind"], "no-handler");
        assert!(json["problems"][0]["advice"].is_string());
    }
}
