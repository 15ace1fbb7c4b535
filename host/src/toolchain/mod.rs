//! Finds or sets up the compiler that makes wasm out of Rust sources, and makes
//! components of plugin crates with it.
//!
//! ```text
//! facts (what the machine has) ──▶ route (a pure decision) ──▶ setup (carries it out)
//!                                                                │ Toolchain
//!                                                                ▼
//! manifest (is it a plugin?) ──▶ cargo (core module) ──▶ component ──▶ NAME.wasm
//! ```
//!
//! rustup's cargo drives every build and the machine's own Rust stays as it is:
//! where rustup can't have the wasm target, Debian's compiler is named for the
//! plugin build alone.

mod cargo;
mod component;
mod error;
mod facts;
mod lock;
mod manifest;
mod process;
mod route;
mod setup;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::Error;
pub use setup::Toolchain;

use crate::types::PluginName;

/// The target that plugins are compiled for: no WASI, so no imports but our own.
const TARGET: &str = "wasm32-unknown-unknown";

/// How to build a plugin. The default is what `hookbox build` does.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A cargo profile of the author's own, used as it stands. None: small,
    /// optimised across crates and stripped, without any profile in the manifest
    /// (or `[profile.plugin]`, where the manifest has one).
    pub profile: Option<String>,
    /// Cargo features to turn on.
    pub features: Vec<String>,
    /// The plugin's name, where it isn't the package's.
    pub name: Option<String>,
    /// Where cargo keeps what it built. None: `hookbox-plugins` in the target
    /// folder of the plugin's workspace, which its plugins share, so that the
    /// standard library is built once.
    pub target_dir: Option<PathBuf>,
}

/// A plugin that was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The plugin's name: the stem of its file.
    pub name: PluginName,
    /// The core module, as cargo made it (a copy that later builds leave alone).
    pub core: PathBuf,
    /// The component.
    pub component: PathBuf,
    /// The core module's size in bytes.
    pub core_bytes: u64,
    /// The component's size in bytes.
    pub component_bytes: u64,
    /// What the component exports.
    pub exports: Vec<String>,
    /// What the component asks of the host: imported functions' interfaces.
    pub imports: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Builds the plugin crate in `dir` and writes `NAME.wasm` into the folder
/// `out`, setting up the toolchain before if needed. Blocks.
///
/// `progress` gets a line for each step, and cargo's own output.
///
/// # Errors
/// When `dir` holds no Rust plugin, no toolchain can be had, it doesn't compile,
/// or the result is no component with a handler.
pub fn build_plugin(
    dir: &Path,
    out: &Path,
    options: &Options,
    progress: &mut dyn FnMut(&str),
) -> Result<Built, Error> {
    // First: a folder that holds no plugin shouldn't cost an installation.
    manifest::read(dir)?;
    Toolchain::set_up(dir, progress)?.build(dir, out, options, progress)
}

/// Checks that `dir` holds a Rust plugin that can be built, without building it.
///
/// # Errors
/// When it doesn't: says what to do.
pub fn check_plugin(dir: &Path) -> Result<(), Error> {
    manifest::read(dir).map(drop)
}

impl Toolchain {
    /// Builds one plugin, as [`build_plugin`] does, with this toolchain.
    ///
    /// # Errors
    /// As [`build_plugin`].
    pub fn build(
        &self,
        dir: &Path,
        out: &Path,
        options: &Options,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Built, Error> {
        let start = Instant::now();
        let plugin = manifest::read(dir)?;
        let name = plugin.name(options.name.as_deref())?;
        let target_dir = match &options.target_dir {
            // cargo runs in the plugin's folder, not here.
            Some(dir) => absolute(dir)?,
            None => plugin.target_dir.join("hookbox-plugins"),
        };

        // cargo's own lock ends with cargo; this one lasts until its result is read.
        let lock = lock::take(&target_dir, progress)?;
        progress(&format!(
            "compiling {name} ({}) with {self}",
            plugin.dir.display()
        ));
        let built = cargo::build(self, &plugin, &target_dir, options, progress)?;
        let bytes = component::read(&built)?;
        let core = target_dir.join("core").join(format!("{name}.wasm"));
        component::write(&core, &bytes)?;
        drop(lock);

        let made = component::from_core(&built, &bytes)?;
        let file = out.join(format!("{name}.wasm"));
        component::write(&file, &made.bytes)?;
        Ok(Built {
            name,
            core,
            component: file,
            core_bytes: bytes.len() as u64,
            component_bytes: made.bytes.len() as u64,
            exports: made.exports,
            imports: made.imports,
            took: start.elapsed(),
        })
    }
}

fn absolute(dir: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(dir).map_err(|source| Error::Io {
        doing: "finding",
        path: dir.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
