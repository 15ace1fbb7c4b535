//! Carries out the route: installs what is missing, in bounded time.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Run;
use super::route::{Facts, PACKAGES, Route, Tried, next};
use super::{Error, TARGET, facts};

/// The target's download is some 20 MB; a network that can't do this within
/// two minutes won't build plugins either.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// A compiler, its source and a linker: some 200 MB, and other installations
/// may hold apt's lock for a while.
const APT_LIMIT: Duration = Duration::from_secs(1200);

/// How plugins are compiled on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain(pub(super) Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The active toolchain has the target.
    Target,
    /// Another compiler, which builds the standard library along.
    BuildStd { compiler: PathBuf, linker: String },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Target => f.write_str("the active Rust toolchain"),
            Kind::BuildStd { compiler, linker } => {
                write!(
                    f,
                    "{} and {linker}, standard library included",
                    compiler.display()
                )
            }
        }
    }
}

impl Toolchain {
    /// Finds the way to compile wasm for plugins in `dir`, installing nothing.
    #[must_use]
    pub fn find(dir: &Path) -> Option<Self> {
        match next(&facts::look(dir), &Tried::default()) {
            Route::Target => Some(Self(Kind::Target)),
            Route::BuildStd { compiler, linker } => Some(Self(Kind::BuildStd { compiler, linker })),
            Route::RustupAdd | Route::Apt { .. } | Route::ByHand { .. } => None,
        }
    }

    /// Finds the way to compile wasm for plugins in `dir`; installs it if there
    /// is none. Blocks: an installation takes up to minutes.
    ///
    /// # Errors
    /// When it can't be installed: the error holds the command to run.
    pub fn set_up(dir: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        let mut tried = Tried::default();
        // Each attempt to install is made once, so this ends.
        loop {
            let facts = facts::look(dir);
            match next(&facts, &tried) {
                Route::Target => return Ok(Self(Kind::Target)),
                Route::BuildStd { compiler, linker } => {
                    return Ok(Self(Kind::BuildStd { compiler, linker }));
                }
                Route::RustupAdd => tried.rustup = Some(rustup_add(dir, progress)),
                Route::Apt { sudo } => tried.apt = Some(apt(sudo, &facts, progress)),
                Route::ByHand { command } => {
                    let tried = [tried.rustup, tried.apt].into_iter().flatten().collect();
                    return Err(Error::NoToolchain { tried, command });
                }
            }
        }
    }
}

/// What was tried, and how it went: the facts tell whether it helped.
fn rustup_add(dir: &Path, progress: &mut dyn FnMut(&str)) -> String {
    let what = format!("rustup target add {TARGET}");
    progress(&format!(
        "the active Rust toolchain has no {TARGET}: {what}"
    ));
    let run = Run {
        what: &what,
        hint: "install rustup",
        limit: Some(RUSTUP_LIMIT),
    };
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).current_dir(dir);
    report(
        &what,
        run.lines(&mut command, &mut |_, line| progress(&format!("  {line}"))),
        progress,
    )
}

fn apt(sudo: bool, facts: &Facts, progress: &mut dyn FnMut(&str)) -> String {
    let packages = PACKAGES.join(" ");
    let why = if facts.rustup {
        "rustup can't have the target"
    } else {
        "there is no rustup"
    };
    progress(&format!(
        "{why}: installing Debian's {packages} (some 200 MB; the host's own Rust stays as it is)"
    ));
    let what = format!("apt-get install {packages}");
    // Its failure isn't the end: the packages may be in the lists that are there.
    let update = run_apt("apt-get update", sudo, &["update", "-qq"], progress);
    report("apt-get update", update, progress);
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(PACKAGES);
    report(&what, run_apt(&what, sudo, &arguments, progress), progress)
}

fn run_apt(
    what: &str,
    sudo: bool,
    arguments: &[&str],
    progress: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let run = Run {
        what,
        hint: "install the packages by hand",
        limit: Some(APT_LIMIT),
    };
    let mut command = Command::new(if sudo { "sudo" } else { "env" });
    if sudo {
        command.args(["-n", "env"]);
    }
    command.args([
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=300",
    ]);
    command.args(arguments);
    // Downloads and unpacking in Debian's own words, without dpkg's many others.
    run.lines(&mut command, &mut |_, line| {
        if ["Get:", "Unpacking", "Setting up", "E:", "W:"]
            .iter()
            .any(|p| line.starts_with(p))
        {
            progress(&format!("  {line}"));
        }
    })
}

fn report(what: &str, done: Result<(), Error>, progress: &mut dyn FnMut(&str)) -> String {
    let text = match done {
        Ok(()) => format!("{what}: done"),
        Err(error) => error.to_string(),
    };
    progress(&text);
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
