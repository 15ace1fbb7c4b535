//! Compiling happens in a child that can do nothing else: here it is asked.

use std::process::{Command, Stdio};
use std::{io, io::Read as _, io::Write as _};

use serde_json::Value;

use super::report::Report;
use crate::plugins::compile::own_program;
use crate::plugins::compile::{CompileError, CompileLimits, Compiler};
use crate::plugins::confine::{Degree, probe};

const TOPIC: &str = "compiling";

/// The most of an answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// Says what confines the compile child on this system.
pub(super) fn look(report: &mut Report) {
    let tested = match self_test() {
        Ok(tested) => tested,
        Err(problem) => {
            report.problem(TOPIC, problem.to_string(), None);
            return;
        }
    };
    let confinement = tested.confinement;
    let found = format!(
        "in a child with limits; Landlock: {}, seccomp: {}",
        confinement.landlock, confinement.seccomp
    );
    if confinement.landlock == Degree::No || confinement.seccomp == Degree::No {
        report.warning(
            TOPIC,
            found,
            Some("use a kernel that has both and, in a container, a profile that allows them"),
        );
    } else {
        report.ok(TOPIC, found);
    }
}

fn self_test() -> Result<probe::Report, CompileError> {
    let compiler = Compiler::new(own_program(), CompileLimits::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(compiler.self_test())
}

/// What `hookbox check`, which confines itself, says of a plugin's bytes: the
/// handlers, or the first thing that is wrong.
pub(super) fn inspect_in_child(bytes: &[u8]) -> Result<Vec<String>, String> {
    let unusable = |error: io::Error| format!("`hookbox check` can't be run: {error}");
    let answer = ask_child(bytes).map_err(unusable)?;
    let answer: Value =
        serde_json::from_slice(&answer).map_err(|_| "`hookbox check` crashed on it".to_owned())?;
    if let Some(error) = answer["error"].as_str() {
        return Err(error.to_owned());
    }
    if let Some(problem) = answer["problems"].get(0) {
        let text = |key: &str| problem[key].as_str().unwrap_or_default();
        let place = match text("place") {
            "" => String::new(),
            place => format!("{place}: "),
        };
        return Err(format!("it doesn't fit: {place}{}", text("message")));
    }
    let handlers = answer["handlers"].as_array();
    let names = handlers.into_iter().flatten().filter_map(Value::as_str);
    Ok(names.map(str::to_owned).collect())
}

fn ask_child(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut child = Command::new(own_program())
        .args(["check", "--json", "/dev/stdin"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    if let Some(mut stdin) = stdin {
        // It reads all before it answers; if it doesn't, its answer says why.
        let _ = stdin.write_all(bytes);
    }
    let mut answer = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(MAX_ANSWER).read_to_end(&mut answer)?;
    }
    child.wait()?;
    Ok(answer)
}
