//! Sets up the tools of other languages and builds a plugin in each, from the
//! sources in `sdk/` and the contract in `wit/`.
//!
//! ```text
//! c_plugin()   cargo: c-bindings ──▶ ziglang's clang (PyPI) ──▶ handoff.wasm, a core module
//! js_plugin()  npm: componentize-qjs ──────────────────────────▶ contacts.wasm, a component
//! ```
//!
//! Everything lands in `<target>/languages` and is made once: what was built
//! from the same inputs is taken as it is, and a lock keeps processes apart.
//! Other tests use it with `#[path = "…/tests/languages/setup/mod.rs"] mod languages;`.

mod c;
mod javascript;
mod process;
mod python;

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use c::c_plugin;
pub(crate) use javascript::js_plugin;

/// Why a plugin could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// A program that has to be there isn't.
    #[error("{program} is missing: {advice}")]
    Missing {
        /// What is missing.
        program: String,
        /// How to get it.
        advice: String,
    },
    /// A program failed.
    #[error("{command} failed with {status}:\n{output}")]
    Failed {
        /// As it was run.
        command: String,
        /// Its exit status.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The build folder isn't where tests usually run.
    #[error("can't find {0} above {1}: run the tests with cargo, inside the repository")]
    Lost(&'static str, String),
}

/// Names the file in an error about it.
fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, SetupError> {
    result.map_err(|source| SetupError::File {
        path: path.to_owned(),
        source,
    })
}

/// The repository's root.
fn root() -> Result<PathBuf, SetupError> {
    above(Path::new(env!("CARGO_MANIFEST_DIR")), "wit/worlds.wit")
}

/// `<target>/languages`, where everything that is made here lies.
fn folder() -> Result<PathBuf, SetupError> {
    let program = Path::new("the running test");
    let program = at(program, std::env::current_exe())?;
    let folder = above(&program, "CACHEDIR.TAG")?.join("languages");
    at(&folder, fs::create_dir_all(&folder))?;
    Ok(folder)
}

fn above(start: &Path, landmark: &'static str) -> Result<PathBuf, SetupError> {
    let mut folders = start.ancestors();
    let found = folders.find(|folder| folder.join(landmark).exists());
    found
        .map(Path::to_owned)
        .ok_or_else(|| SetupError::Lost(landmark, start.display().to_string()))
}

/// Waits until no other thread or process makes the thing of this name. It is
/// free again when the result is dropped, or its process ends in whatever way.
fn lock(name: &str) -> Result<File, SetupError> {
    let path = folder()?.join(format!("{name}.lock"));
    let file = at(&path, File::create(&path))?;
    at(&path, file.lock())?;
    Ok(file)
}

/// Makes `out` by `make`, unless it is there and was made from the same inputs.
/// Inputs are files, folders, and anything else that decides (`salt`: versions).
fn once(
    out: &Path,
    inputs: &[PathBuf],
    salt: &str,
    make: impl FnOnce() -> Result<(), SetupError>,
) -> Result<(), SetupError> {
    let mut hasher = DefaultHasher::new();
    salt.hash(&mut hasher);
    for input in inputs {
        hash(input, &mut hasher)?;
    }
    let stamp = format!("{:016x}", hasher.finish());
    let stamp_file = out.with_extension("made-from");
    let made = fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp);
    if made && out.exists() {
        return Ok(());
    }
    let _ = fs::remove_file(&stamp_file);
    make()?;
    at(&stamp_file, fs::write(&stamp_file, stamp))
}

fn hash(path: &Path, hasher: &mut DefaultHasher) -> Result<(), SetupError> {
    if !path.is_dir() {
        at(path, fs::read(path))?.hash(hasher);
        return Ok(());
    }
    let entries = at(path, fs::read_dir(path))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(at(path, entry)?.path());
    }
    paths.sort();
    for path in paths {
        path.file_name().hash(hasher);
        hash(&path, hasher)?;
    }
    Ok(())
}
