//! The compile child: `hookbox compile`, started by the host for one file.
//!
//! It confines itself first ([`confine`]). Then the file comes in on standard
//! input; the answer goes out on standard output: a line of JSON that says what
//! confines it, one that says what came of the file, then the compiled code.
//! Everything that looks at hostile bytes happens here: turning a core module
//! into a component, checking it against the contract, compiling it.

use std::fs;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use wasmtime::Engine;

use super::confine::probe::{self, Report};
use super::confine::{self, Bounds};
use super::folder::MAX_WASM;
use crate::sandbox::compile;
use crate::{contract, crash};

/// The second line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The code follows.
    Compiled,
    /// The file doesn't fit or doesn't compile.
    Refused {
        /// Why, in words for the plugin's author.
        problem: String,
    },
}

/// Added to the child's nice value: compiling can wait, webhooks can't.
const NICENESS: i32 = 10;

/// Where memory runs out, the system ends this process and not the host.
const FIRST_TO_GO: &str = "1000";

/// Answers for the one file on `input`, within `bounds`, while `parent` lives.
///
/// # Errors
/// When the process can't be confined, or reading or writing fails; a file that
/// can't be used is an answer.
pub fn run(
    parent: u32,
    bounds: Bounds,
    input: &mut impl Read,
    output: &mut impl Write,
) -> io::Result<()> {
    confine::die_with(parent)?;
    // Not being allowed to is no reason not to compile.
    let _ = rustix::process::nice(NICENESS);
    let _ = fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
    // It looks at the system, which is out of reach afterwards.
    let engine = compile::engine().map_err(io::Error::other)?;
    let confinement = confine::confine(bounds, |_| {})?;
    line(output, &confinement)?;

    let mut file = Vec::new();
    // One byte more than is taken shows that there are too many.
    input.take(MAX_WASM + 1).read_to_end(&mut file)?;
    crash::point("compile-file");
    let (answer, code) = match compile(&engine, &file) {
        Ok(code) => (Answer::Compiled, code),
        Err(problem) => (Answer::Refused { problem }, Vec::new()),
    };
    line(output, &answer)?;
    output.write_all(&code)?;
    output.flush()
}

/// Confines itself and tries what must not work: one line of JSON, a [`Report`].
///
/// # Errors
/// As for [`run`].
pub fn self_test(parent: u32, bounds: Bounds, output: &mut impl Write) -> io::Result<()> {
    let parent = confine::die_with(parent)?;
    // One of them is the look itself.
    let descriptors = fs::read_dir("/proc/self/fd")?.count().saturating_sub(1);
    let mut tried = Vec::new();
    let confinement = confine::confine(bounds, |step| {
        tried.extend(probe::attempt(step, parent, bounds))
    })?;
    let report = Report {
        confinement,
        variables: std::env::vars_os().count(),
        descriptors,
        tried,
    };
    line(output, &report)?;
    output.flush()
}

fn line(output: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")?;
    // What confines it is known even if it doesn't come to an answer.
    output.flush()
}

/// The code of one file, or why there is none, in words for the plugin's author.
/// Everything that is done to hostile bytes, for who has confined itself.
///
/// # Errors
/// When the file doesn't fit or doesn't compile.
pub fn compile(engine: &Engine, file: &[u8]) -> Result<Vec<u8>, String> {
    let (component, inspection) = contract::read(file).map_err(|error| error.to_string())?;
    if !inspection.fits() {
        let problems: Vec<String> = inspection
            .problems
            .iter()
            .map(|problem| format!("{}: {}; {}", problem.place, problem.what, problem.advice()))
            .collect();
        return Err(problems.join(" | "));
    }
    compile::compile(engine, &component).map_err(|error| error.to_string())
}
