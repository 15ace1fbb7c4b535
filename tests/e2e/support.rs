//! What the tests share.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use hookbox::toolchain;
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, HostOptions};
use serde_json::Value;
use tempfile::TempDir;

/// A host with the default configuration.
pub(crate) fn host() -> Host {
    host_with("")
}

/// A host with this `hookbox.toml`.
pub(crate) fn host_with(config: &str) -> Host {
    Host::start(
        env!("CARGO_BIN_EXE_hookbox"),
        HostOptions {
            config: config.into(),
            ..HostOptions::default()
        },
    )
}

/// A predicate for a line that `plugin` logged with this text.
pub(crate) fn said<'a>(plugin: &'a str, text: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |line| {
        hookbox_testkit::log::is_from_plugin(line, plugin)
            && hookbox_testkit::log::message(line) == text
    }
}

/// The deliveries of a plugin in a state, from the admin API, newest first.
pub(crate) fn deliveries(host: &Host, plugin: &str, state: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/api/deliveries?plugin={plugin}&state={state}&limit=1000{before}");
        let page = host.api(&path)["deliveries"].as_array().cloned();
        let page = page.expect("a list");
        let Some(last) = page.last() else {
            return all;
        };
        before = format!("&before={}", last["id"]);
        all.extend(page);
    }
}

/// A plugin of `tests/fixtures`, with all its features, built once.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<Mutex<HashMap<String, Vec<u8>>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap();
    let build = || {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");
        let source = Path::new(root).join(name);
        let out = TempDir::new().expect("a scratch folder");
        let options = toolchain::Options {
            features: match name {
                "combos" => vec!["chat-push".into(), "event".into()],
                _ => Vec::new(),
            },
            ..toolchain::Options::default()
        };
        let plugin = toolchain::build_plugin(&source, out.path(), &options, &mut |_| {});
        let plugin = plugin.expect("the plugin builds");
        std::fs::read(&plugin.component).expect("it was built")
    };
    built.entry(name.into()).or_insert_with(build).clone()
}

/// How many functions take the compiler some seconds.
const FUNCTIONS: u32 = 1000;

/// A plugin that keeps the compiler busy for some seconds.
pub(crate) fn slow_to_compile() -> Vec<u8> {
    let mut items = String::new();
    for function in 0..FUNCTIONS {
        write!(items, "(func (param $x i64) (result i64) (local.get $x)").unwrap();
        for step in 0..1000 {
            let number = function * 1000 + step;
            write!(
                items,
                "(i64.const {number}) (i64.mul) (local.get $x) (i64.xor)"
            )
            .unwrap();
        }
        items.push(')');
    }
    wat::plugin(World::ChatPush, &items, "(i32.const 16)")
}

/// The processes that a process has started.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let children = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("children"));
        text.unwrap_or_default()
    };
    let text: String = tasks.flatten().map(children).collect();
    let pids = text
        .split_whitespace()
        .map(|pid| pid.parse().expect("a pid"));
    pids.collect()
}
