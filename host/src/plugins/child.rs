//! The compile child: `hookbox compile`, started by the host for one file.
//!
//! The file comes in on standard input; the answer goes out on standard output:
//! one line of JSON, then the compiled code. Everything that looks at hostile
//! bytes happens here: turning a core module into a component, checking it
//! against the contract, compiling it.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::folder::MAX_WASM;
use crate::contract;
use crate::sandbox::compile;

/// The first line of the answer.
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

/// Answers for the one file on `input`.
///
/// # Errors
/// When reading or writing fails; a file that can't be used is an answer.
pub fn run(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    // Not being allowed to is no reason not to compile.
    let _ = rustix::process::nice(NICENESS);
    let mut file = Vec::new();
    // One byte more than is taken shows that there are too many.
    input.take(MAX_WASM + 1).read_to_end(&mut file)?;
    let (answer, code) = match compile(&file) {
        Ok(code) => (Answer::Compiled, code),
        Err(problem) => (Answer::Refused { problem }, Vec::new()),
    };
    serde_json::to_writer(&mut *output, &answer)?;
    output.write_all(b"\n")?;
    output.write_all(&code)?;
    output.flush()
}

fn compile(file: &[u8]) -> Result<Vec<u8>, String> {
    let (component, inspection) = contract::read(file).map_err(|error| error.to_string())?;
    if !inspection.fits() {
        let problems: Vec<String> = inspection
            .problems
            .iter()
            .map(|problem| format!("{}: {}; {}", problem.place, problem.what, problem.advice()))
            .collect();
        return Err(problems.join(" | "));
    }
    compile::compile(&component).map_err(|error| error.to_string())
}
