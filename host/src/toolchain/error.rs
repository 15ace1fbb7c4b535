//! Why a plugin could not be built.

use std::io;
use std::path::PathBuf;

use crate::types::names::NameError;

/// Why a plugin could not be built, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder isn't there.
    #[error("{} is not a folder: name the folder that holds the plugin's Cargo.toml", .0.display())]
    NotAFolder(PathBuf),
    /// No `Cargo.toml`.
    #[error(
        "{} holds no Cargo.toml, so it isn't a Rust plugin: name a plugin crate's folder (a plugin in another language is built with that language's tools)",
        .0.display()
    )]
    NoManifest(PathBuf),
    /// A workspace without a package of its own.
    #[error("{} is a workspace without a package of its own: name the folder of one of its plugins", .0.display())]
    NoPackage(PathBuf),
    /// A crate that doesn't become a wasm file.
    #[error(
        "{package:?} in {} doesn't become a wasm file: add to its Cargo.toml\n\n    [lib]\n    crate-type = [\"cdylib\"]\n",
        dir.display()
    )]
    NotCdylib {
        /// Where it is.
        dir: PathBuf,
        /// The package's name.
        package: String,
    },
    /// The package's name isn't a plugin's.
    #[error("{name:?} can't be a plugin's name ({source}): change `name` in Cargo.toml")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A program isn't there or can't be started.
    #[error("{program} can't be started ({source}): {hint}")]
    Start {
        /// What was to be started.
        program: String,
        /// Why it wasn't.
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// A program failed.
    #[error("{what} failed ({status}){}", indented(.tail))]
    Failed {
        /// What was being done.
        what: String,
        /// How the program ended.
        status: String,
        /// The end of what it said.
        tail: Vec<String>,
    },
    /// cargo said something that can't be read.
    #[error("what {what} said can't be read: {source}")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// No way to compile wasm here.
    #[error("no compiler for {} is to be had here.{} Run this, then build again:\n\n    {command}\n", super::TARGET, reasons(.tried))]
    NoToolchain {
        /// What was tried in vain.
        tried: Vec<String>,
        /// The command that sets one up.
        command: String,
    },
    /// cargo succeeded without a wasm file.
    #[error("cargo built {0:?} but reported no wasm file: is its [lib] crate-type \"cdylib\"?")]
    NoWasm(String),
    /// The core module can't be made a component.
    #[error("{} can't be made a component: {detail}", file.display())]
    Component {
        /// The core module.
        file: PathBuf,
        /// Why not.
        detail: String,
    },
    /// No handler among the exports.
    #[error(
        "{} exports no handler ({}): name them in its lib.rs, e.g. `hookbox_sdk::export!(MyPlugin: OnRoomJoin);`",
        file.display(),
        if exports.is_empty() { "it exports nothing".to_owned() } else { format!("it exports {}", exports.join(", ")) }
    )]
    NoHandler {
        /// The core module.
        file: PathBuf,
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// A file or folder couldn't be read or written.
    #[error("{doing} {} failed: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n    {line}")).collect()
}

fn reasons(tried: &[String]) -> String {
    tried
        .iter()
        .map(|reason| format!(" Tried: {reason}."))
        .collect()
}
