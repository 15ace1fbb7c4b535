//! Runs the tools, saying what is done and, if one fails, what it said.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use super::SetupError;

/// Runs a command to its end. `step` is shown while it runs.
pub(crate) fn run(step: &str, command: &mut Command) -> Result<(), SetupError> {
    // Not `eprintln!`, which a test harness keeps back: some steps take long.
    let _ = writeln!(io::stderr(), "languages: {step} …");
    let shown = shown(command);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| SetupError::Missing {
        program: command.get_program().to_string_lossy().into_owned(),
        advice: format!("it is needed for `{shown}` ({error})"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(SetupError::Failed {
        command: shown,
        status: output.status.to_string(),
        output: end(&String::from_utf8_lossy(&text)),
    })
}

/// What a command answers on standard output; `None` if it can't be run or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.trim().to_owned())
}

/// Installs Debian packages, where that is possible: as root, with apt-get.
pub(crate) fn install_packages(packages: &[&str], needed_for: &str) -> Result<(), SetupError> {
    let names = packages.join(" ");
    let is_root = answer(Command::new("id").arg("-u")).as_deref() == Some("0");
    let has_apt = answer(Command::new("apt-get").arg("--version")).is_some();
    if !is_root || !has_apt {
        return Err(SetupError::Missing {
            program: needed_for.into(),
            advice: format!("install it (on Debian, as root: `apt-get install {names}`)"),
        });
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run("updating the package lists", apt().arg("update"))?;
    let mut install = apt();
    install.args(["install", "--yes", "--no-install-recommends"]);
    run(&format!("installing {names}"), install.args(packages))
}

fn shown(command: &Command) -> String {
    let program = std::iter::once(command.get_program());
    let words = program.chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn end(text: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
