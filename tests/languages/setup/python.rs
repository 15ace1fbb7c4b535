//! A Python virtual environment: the packages in it are ready-made programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{answer, install_packages, run};
use super::{SetupError, at, folder, lock, once};

/// A virtual environment with one pinned package; gives its `bin` folder.
///
/// One environment for each package: none can disturb another.
pub(crate) fn package(name: &str, version: &str) -> Result<PathBuf, SetupError> {
    let _lock = lock(name)?;
    let environment = folder()?.join(format!("{name}-{version}"));
    let bin = environment.join("bin");
    // Without the version in the way of `with_extension`, which cuts at the last dot.
    let marker = folder()?.join(name);
    once(&marker, &[], version, || {
        create(&environment)?;
        let requirement = format!("{name}=={version}");
        run(
            &format!("installing {requirement} from PyPI"),
            Command::new(bin.join("python"))
                .args(["-m", "pip", "install", "--quiet", "--no-input"])
                .args(["--disable-pip-version-check", &requirement]),
        )?;
        at(&marker, fs::write(&marker, version))
    })?;
    Ok(bin)
}

fn create(environment: &Path) -> Result<(), SetupError> {
    let venv = || {
        // What an interrupted run left behind is of no use.
        let _ = fs::remove_dir_all(environment);
        let mut command = Command::new("python3");
        command.args(["-m", "venv"]).arg(environment);
        run("creating a Python environment", &mut command)
    };
    let has_python = answer(Command::new("python3").arg("--version")).is_some();
    if has_python && venv().is_ok() {
        return Ok(());
    }
    // Debian's python3 comes without what `venv` needs.
    install_packages(&["python3", "python3-venv"], "python3 with venv")?;
    venv()
}
