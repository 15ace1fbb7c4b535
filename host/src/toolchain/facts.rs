//! Looks at what the machine has.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::TARGET;
use super::process::answer;
use super::route::{Admin, Facts};

/// Where Debian puts its compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// wasm linkers by name, the one that `setup` installs first: another linker
/// means building the standard library again.
const LINKERS: [&str; 8] = [
    "wasm-ld-19",
    "wasm-ld",
    "wasm-ld-22",
    "wasm-ld-21",
    "wasm-ld-20",
    "wasm-ld-18",
    "wasm-ld-17",
    "wasm-ld-16",
];

/// What the machine has, for a build in `dir` (which may choose a toolchain).
pub(super) fn look(dir: &Path) -> Facts {
    Facts {
        target: has_target(dir),
        rustup: answer(Command::new("rustup").arg("--version").current_dir(dir)).is_some(),
        compiler: second_compiler(),
        linker: LINKERS
            .into_iter()
            .find(|name| in_path(name))
            .map(str::to_owned),
        apt: in_path("apt-get"),
        admin: admin(),
    }
}

/// Whether cargo's own compiler has the target's standard library.
fn has_target(dir: &Path) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = answer(
        Command::new(rustc)
            .args(["--print", "target-libdir", "--target", TARGET])
            .current_dir(dir),
    );
    folder.is_some_and(|folder| {
        fs::read_dir(folder.trim()).is_ok_and(|mut files| {
            files.any(|file| {
                file.is_ok_and(|f| f.file_name().to_string_lossy().starts_with("libcore-"))
            })
        })
    })
}

/// Debian's compiler, if it is recent enough and the source is there.
fn second_compiler() -> Option<PathBuf> {
    let rustc = Path::new(DEBIAN_RUSTC);
    let version = answer(Command::new(rustc).arg("-V"))?;
    if version_of(&version)? < version_of(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")))? {
        return None;
    }
    let sysroot = answer(Command::new(rustc).args(["--print", "sysroot"]))?;
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock");
    source.is_file().then(|| rustc.to_owned())
}

/// Major and minor of `rustc 1.96.0 (…)`.
fn version_of(answer: &str) -> Option<(u32, u32)> {
    let mut numbers = answer.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn in_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn admin() -> Admin {
    if rustix::process::geteuid().is_root() {
        Admin::Root
    } else if in_path("sudo") && answer(Command::new("sudo").args(["-n", "true"])).is_some() {
        Admin::Sudo
    } else {
        Admin::No
    }
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(
            version_of("rustc 1.96.0 (ac68faa20 2026-05-25)"),
            Some((1, 96))
        );
        assert!(version_of("rustc 1.100.0") > version_of("rustc 1.95"));
        assert_eq!(version_of("no such thing"), None);
        assert_eq!(version_of(""), None);
    }
}
