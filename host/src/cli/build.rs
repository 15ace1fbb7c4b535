//! `hookbox build`: Rust plugins to components.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::toolchain::{self, Built, Options, Toolchain};

/// Compile Rust plugins to WebAssembly components.
///
/// Finds the compiler for wasm, or sets it up: with rustup where rustup can
/// have the target, else with Debian's packages. Says what it does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookbox build                        every plugin crate under ./plugins, else the crate here
  hookbox build plugins/greeter        one: writes plugins/greeter.wasm
  hookbox build ../mine --out plugins  from elsewhere into a host's plugin folder")]
pub(super) struct Args {
    /// Folders of plugin crates [default: those under ./plugins, else the crate here]
    #[arg(value_name = "DIR")]
    dirs: Vec<PathBuf>,

    /// Where NAME.wasm goes [default: beside the plugin's folder if that is in a
    /// folder named "plugins", else here]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// A cargo profile to use as it stands [default: [profile.plugin] if the
    /// manifest has one, else small, optimised across crates, stripped]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// Cargo features to turn on
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    features: Vec<String>,
}

/// Why not everything was built.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    /// No folder was named and none was found.
    #[error(
        "there is no plugin crate under ./plugins and no Cargo.toml here: name a plugin's folder, e.g. `hookbox build plugins/greeter`"
    )]
    NothingToBuild,
    /// A folder couldn't be listed.
    #[error("reading {} failed: {source}", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The one plugin, or the toolchain.
    #[error(transparent)]
    Toolchain(#[from] toolchain::Error),
    /// Some of several; each was explained when it failed.
    #[error("{failed} of {all} plugins could not be built: {names}")]
    Some {
        /// How many failed.
        failed: usize,
        /// How many there were.
        all: usize,
        /// Their folders.
        names: String,
    },
}

/// Builds, and blocks until all is done. Progress goes to stderr, a line for
/// each plugin that was built to stdout.
///
/// # Errors
/// When nothing is to be built, or something couldn't be. A plugin that fails
/// doesn't keep the others from being built.
pub(super) fn run(args: Args) -> Result<(), BuildError> {
    let start = Instant::now();
    let mut progress = |line: &str| say(start.elapsed(), line);
    let dirs = if args.dirs.is_empty() {
        found(Path::new("."), &mut progress)?
    } else {
        for dir in &args.dirs {
            // A wrong folder shouldn't cost an installation, nor wait behind others.
            toolchain::check_plugin(dir)?;
        }
        args.dirs
    };
    let Some(first) = dirs.first() else {
        return Err(BuildError::NothingToBuild);
    };

    let toolchain = Toolchain::set_up(first, &mut progress)?;
    let options = Options {
        profile: args.profile,
        features: args.features,
        ..Options::default()
    };
    let mut failed = Vec::new();
    for dir in &dirs {
        let out = args.out.clone().unwrap_or_else(|| default_out(dir));
        match toolchain.build(dir, &out, &options, &mut progress) {
            Ok(built) => show(&built),
            Err(error) if dirs.len() == 1 => return Err(error.into()),
            Err(error) => {
                progress(&format!("error: {error}"));
                failed.push(dir.display().to_string());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(BuildError::Some {
        failed: failed.len(),
        all: dirs.len(),
        names: failed.join(", "),
    })
}

/// The plugin crates under `plugins` in `here`, else the crate `here`.
fn found(here: &Path, progress: &mut dyn FnMut(&str)) -> Result<Vec<PathBuf>, BuildError> {
    let plugins = here.join("plugins");
    let mut dirs = Vec::new();
    if plugins.is_dir() {
        let read = |source| BuildError::Read {
            path: plugins.clone(),
            source,
        };
        for entry in fs::read_dir(&plugins).map_err(read)? {
            let dir = entry.map_err(read)?.path();
            if !dir.is_dir() {
                continue;
            }
            match toolchain::check_plugin(&dir) {
                Ok(()) => dirs.push(dir),
                Err(error) => progress(&format!("skipping {}: {error}", dir.display())),
            }
        }
        dirs.sort();
    }
    if dirs.is_empty() && here.join("Cargo.toml").is_file() {
        toolchain::check_plugin(here)?;
        dirs.push(here.to_owned());
    }
    Ok(dirs)
}

/// Beside the plugin's folder where that is in a plugin folder, so that a host
/// on that folder has it; else where the user is.
fn default_out(dir: &Path) -> PathBuf {
    dir.canonicalize()
        .ok()
        .and_then(|dir| dir.parent().map(Path::to_owned))
        .filter(|parent| parent.file_name().is_some_and(|name| name == "plugins"))
        .unwrap_or_else(|| PathBuf::from("."))
}

/// A stream that nobody reads is no reason to stop building.
fn say(elapsed: Duration, line: &str) {
    let _ = writeln!(
        io::stderr().lock(),
        "[{:6.1} s] {line}",
        elapsed.as_secs_f64()
    );
}

fn show(built: &Built) {
    let _ = writeln!(
        io::stdout().lock(),
        "{}: {} ({} KB, {:.1} s)\n  exports {}\n  imports {}",
        built.name,
        built.component.display(),
        built.component_bytes.div_ceil(1000),
        built.took.as_secs_f64(),
        built.exports.join(", "),
        if built.imports.is_empty() {
            "nothing".to_owned()
        } else {
            built.imports.join(", ")
        },
    );
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{BuildError, default_out, found};

    const PLUGIN: &str = "[package]\nname = \"p\"\nedition = \"2024\"\n[workspace]\n[lib]\ncrate-type = [\"cdylib\"]\n";

    fn plugin_in(dir: &Path) {
        fs::create_dir_all(dir.join("src")).expect("src");
        fs::write(dir.join("src/lib.rs"), "").expect("lib.rs");
        fs::write(dir.join("Cargo.toml"), PLUGIN).expect("manifest");
    }

    #[test]
    fn plugin_crates_are_found_and_others_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let plugins = folder.path().join("plugins");
        for name in ["b", "a"] {
            plugin_in(&plugins.join(name));
        }
        fs::create_dir(plugins.join("python")).expect("another language");
        fs::write(plugins.join("a.toml"), "").expect("a manifest");
        let mut said = Vec::new();
        let dirs = found(folder.path(), &mut |line| said.push(line.to_owned())).expect("plugins");
        assert_eq!(dirs, [plugins.join("a"), plugins.join("b")]);
        assert!(said.len() == 1 && said[0].contains("python"), "{said:?}");
    }

    #[test]
    fn without_plugins_it_is_the_crate_here() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(
            found(folder.path(), &mut |_| ())
                .expect("nothing")
                .is_empty()
        );
        plugin_in(folder.path());
        assert_eq!(
            found(folder.path(), &mut |_| ()).expect("it"),
            [folder.path()]
        );
    }

    #[test]
    fn a_crate_here_that_is_no_plugin_is_explained() {
        let folder = tempfile::tempdir().expect("a folder");
        plugin_in(folder.path());
        let plain = PLUGIN.replace("cdylib", "rlib");
        fs::write(folder.path().join("Cargo.toml"), plain).expect("manifest");
        let error = found(folder.path(), &mut |_| ()).expect_err("no plugin");
        assert!(matches!(error, BuildError::Toolchain(_)), "{error}");
    }

    #[test]
    fn results_land_beside_the_sources_in_a_plugin_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("plugins/a");
        fs::create_dir_all(&inside).expect("a folder");
        let plugins = folder
            .path()
            .join("plugins")
            .canonicalize()
            .expect("a folder");
        assert_eq!(default_out(&inside), plugins);
        assert_eq!(default_out(folder.path()), PathBuf::from("."));
    }
}
