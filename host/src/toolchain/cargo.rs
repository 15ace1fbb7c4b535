//! Has cargo compile a plugin to a core module.

use std::env;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::manifest::{PROFILE, Plugin};
use super::process::{Run, Stream};
use super::setup::{Kind, Toolchain};
use super::{Error, Options, TARGET};

/// What plugins are built with unless their author says otherwise: loading and
/// instantiating cost more than the handler's own work, so size comes first.
const SETTINGS: [&str; 6] = [
    "inherits='release'",
    "opt-level='s'",
    "lto=true",
    "codegen-units=1",
    "panic='abort'",
    "strip=true",
];

/// Flags meant for the machine's own programs: `target-cpu=native` would break
/// a wasm build, and any change builds the standard library again.
const NOT_OURS: [&str; 5] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// cargo: the one that runs us, if one does.
pub(super) fn program() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // cargo runs in the plugin's folder, for its toolchain and settings there;
    // the user meant a folder seen from here.
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty())
        && let Ok(dir) = path::absolute(dir)
    {
        command.env("CARGO_TARGET_DIR", dir);
    }
    command
}

/// One of cargo's messages, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Compiles, and gives the path of the core module.
pub(super) fn build(
    toolchain: &Toolchain,
    plugin: &Plugin,
    target_dir: &Path,
    options: &Options,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, Error> {
    let mut command = program();
    command
        .current_dir(&plugin.dir)
        .arg("build")
        .args(arguments(plugin.has_profile, options));
    command
        .arg("--manifest-path")
        .arg(plugin.dir.join("Cargo.toml"));
    command.arg("--target-dir").arg(target_dir);
    for name in NOT_OURS {
        command.env_remove(name);
    }
    if let Kind::BuildStd { compiler, linker } = &toolchain.0 {
        command.args(["-Z", "build-std=std,panic_abort"]);
        command.env("RUSTC", compiler).env("RUSTC_BOOTSTRAP", "1");
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }

    let what = format!("compiling {}", plugin.package);
    let run = Run {
        what: &what,
        hint: "install Rust with rustup",
        limit: None,
    };
    let mut wasm = None;
    run.lines(&mut command, &mut |stream, line| match stream {
        Stream::Out => wasm = artifact(line, &plugin.id).or(wasm.take()),
        Stream::Err => progress(&format!("  {line}")),
    })?;
    wasm.ok_or_else(|| Error::NoWasm(plugin.package.clone()))
}

fn arguments(has_profile: bool, options: &Options) -> Vec<String> {
    let profile = options.profile.as_deref().unwrap_or(PROFILE);
    let mut all: Vec<String> = ["--lib", "--target", TARGET, "--profile", profile]
        .iter()
        .chain(&["--message-format", "json-render-diagnostics"])
        .map(ToString::to_string)
        .collect();
    if options.profile.is_none() && !has_profile {
        for setting in SETTINGS {
            all.extend([
                "--config".to_owned(),
                format!("profile.{PROFILE}.{setting}"),
            ]);
        }
    }
    if !options.features.is_empty() {
        all.extend(["--features".to_owned(), options.features.join(",")]);
    }
    all
}

/// The wasm file of a `compiler-artifact` message about the plugin itself.
fn artifact(line: &str, id: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" || message.package_id != id {
        return None;
    }
    message
        .filenames
        .into_iter()
        .find(|file| file.extension().is_some_and(|e| e == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::{Options, arguments, artifact};

    #[test]
    fn our_settings_apply_unless_the_author_has_a_profile() {
        let ours = arguments(false, &Options::default()).join(" ");
        assert!(ours.contains("--profile plugin") && ours.contains("profile.plugin.lto=true"));
        let theirs = arguments(true, &Options::default()).join(" ");
        assert!(
            theirs.contains("--profile plugin") && !theirs.contains("--config"),
            "{theirs}"
        );
        let named = Options {
            profile: Some("dev".to_owned()),
            ..Options::default()
        };
        let named = arguments(false, &named).join(" ");
        assert!(
            named.contains("--profile dev") && !named.contains("--config"),
            "{named}"
        );
    }

    #[test]
    fn features_are_passed_on() {
        let options = Options {
            features: vec!["a".to_owned(), "b".to_owned()],
            ..Options::default()
        };
        assert!(
            arguments(false, &options)
                .join(" ")
                .ends_with("--features a,b")
        );
    }

    #[test]
    fn the_plugins_own_wasm_is_taken_and_no_dependencys() {
        let line = |id: &str, reason: &str| {
            format!(
                r#"{{"reason":"{reason}","package_id":"{id}","filenames":["/t/a.d","/t/a.wasm"]}}"#
            )
        };
        let found = artifact(&line("me", "compiler-artifact"), "me");
        assert_eq!(found.as_deref(), Some(std::path::Path::new("/t/a.wasm")));
        assert_eq!(artifact(&line("other", "compiler-artifact"), "me"), None);
        assert_eq!(artifact(&line("me", "build-script-executed"), "me"), None);
        assert_eq!(
            artifact(r#"{"reason":"build-finished","success":true}"#, "me"),
            None
        );
        assert_eq!(artifact("a line that a build script printed", "me"), None);
    }
}
