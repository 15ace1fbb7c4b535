//! Decides how to come by a compiler for wasm. Pure: facts in, route out.

use std::path::PathBuf;

/// Debian's packages that compile wasm together with rustup's cargo.
pub(super) const PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "lld-19"];

/// What the machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The active toolchain has the wasm target's standard library.
    pub(super) target: bool,
    /// rustup is there.
    pub(super) rustup: bool,
    /// A second compiler with the standard library's source, recent enough.
    pub(super) compiler: Option<PathBuf>,
    /// A linker for wasm.
    pub(super) linker: Option<String>,
    /// apt-get is there.
    pub(super) apt: bool,
    /// How packages can be installed.
    pub(super) admin: Admin,
}

/// Who may install packages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Admin {
    /// We are root.
    Root,
    /// sudo asks for no password.
    Sudo,
    /// Only somebody else.
    #[default]
    No,
}

/// What was tried before and didn't help, with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tried {
    /// `rustup target add`.
    pub(super) rustup: Option<String>,
    /// `apt-get install`.
    pub(super) apt: Option<String>,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// Build with the active toolchain.
    Target,
    /// Build with this compiler, and the standard library with it.
    BuildStd { compiler: PathBuf, linker: String },
    /// Have rustup install the target, then look again.
    RustupAdd,
    /// Have apt install the packages, then look again.
    Apt { sudo: bool },
    /// A person has to run this.
    ByHand { command: String },
}

/// What is there is used before anything is installed, so that a machine that
/// is set up needs no network; rustup's target comes before Debian's packages
/// because it is smaller and changes nothing outside the user's home.
pub(super) fn next(facts: &Facts, tried: &Tried) -> Route {
    if facts.target {
        return Route::Target;
    }
    if let (Some(compiler), Some(linker)) = (&facts.compiler, &facts.linker) {
        return Route::BuildStd {
            compiler: compiler.clone(),
            linker: linker.clone(),
        };
    }
    if facts.rustup && tried.rustup.is_none() {
        return Route::RustupAdd;
    }
    if facts.apt && tried.apt.is_none() && facts.admin != Admin::No {
        return Route::Apt {
            sudo: facts.admin == Admin::Sudo,
        };
    }
    Route::ByHand {
        command: command(facts),
    }
}

/// What a person can do that we can't.
fn command(facts: &Facts) -> String {
    if facts.apt {
        let sudo = if facts.admin == Admin::Root {
            ""
        } else {
            "sudo "
        };
        let packages = PACKAGES.join(" ");
        format!("{sudo}apt-get update && {sudo}apt-get install {packages}")
    } else {
        format!("rustup target add {}", super::TARGET)
    }
}

#[cfg(test)]
mod tests {
    use super::{Admin, Facts, Route, Tried, next};

    fn debian() -> Facts {
        Facts {
            rustup: true,
            apt: true,
            admin: Admin::Root,
            ..Facts::default()
        }
    }

    fn ready() -> Facts {
        Facts {
            compiler: Some("/usr/bin/rustc".into()),
            linker: Some("wasm-ld-19".to_owned()),
            ..debian()
        }
    }

    fn after(rustup: bool, apt: bool) -> Tried {
        let reason = |tried: bool| tried.then(|| "no network".to_owned());
        Tried {
            rustup: reason(rustup),
            apt: reason(apt),
        }
    }

    #[test]
    fn an_installed_target_wins() {
        let facts = Facts {
            target: true,
            ..ready()
        };
        assert_eq!(next(&facts, &Tried::default()), Route::Target);
    }

    #[test]
    fn what_is_there_is_used_before_anything_is_installed() {
        let route = next(&ready(), &Tried::default());
        assert!(matches!(route, Route::BuildStd { linker, .. } if linker == "wasm-ld-19"));
    }

    #[test]
    fn half_of_debians_packages_are_not_enough() {
        let facts = Facts {
            linker: None,
            ..ready()
        };
        assert_eq!(
            next(&facts, &after(true, false)),
            Route::Apt { sudo: false }
        );
        let facts = Facts {
            compiler: None,
            ..ready()
        };
        assert_eq!(
            next(&facts, &after(true, false)),
            Route::Apt { sudo: false }
        );
    }

    #[test]
    fn rustup_comes_before_apt_and_each_is_tried_once() {
        assert_eq!(next(&debian(), &Tried::default()), Route::RustupAdd);
        assert_eq!(
            next(&debian(), &after(true, false)),
            Route::Apt { sudo: false }
        );
        assert!(matches!(
            next(&debian(), &after(true, true)),
            Route::ByHand { .. }
        ));
    }

    #[test]
    fn without_rustup_apt_is_next() {
        let facts = Facts {
            rustup: false,
            admin: Admin::Sudo,
            ..debian()
        };
        assert_eq!(next(&facts, &Tried::default()), Route::Apt { sudo: true });
    }

    #[test]
    fn who_may_not_install_is_told_the_command() {
        let facts = Facts {
            admin: Admin::No,
            ..debian()
        };
        let Route::ByHand { command } = next(&facts, &after(true, false)) else {
            panic!("nothing else is left")
        };
        assert_eq!(
            command,
            "sudo apt-get update && sudo apt-get install rustc-web rust-web-src lld-19"
        );
    }

    #[test]
    fn without_apt_only_rustup_is_left() {
        let facts = Facts {
            apt: false,
            ..debian()
        };
        let Route::ByHand { command } = next(&facts, &after(true, false)) else {
            panic!("nothing else is left")
        };
        assert_eq!(command, "rustup target add wasm32-unknown-unknown");
    }
}
