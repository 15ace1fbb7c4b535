//! A host with a good plugin and a client beside whatever happens.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use hookbox::toolchain;
use hookbox_testkit::log::{field, message};
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, HostOptions, wait_for};
use serde_json::Value;
use tempfile::TempDir;

/// What the good plugin logs for each event.
const FINE: &str = "fine";

/// How many events the client posts at least, after the harm has been done.
const AFTERWARDS: usize = 3;

/// Starts a host with the good plugin and this `hookbox.toml`.
pub(crate) fn host_with(config: &str) -> Host {
    let host = Host::start(
        env!("CARGO_BIN_EXE_hookbox"),
        HostOptions {
            config: config.into(),
            ..HostOptions::default()
        },
    );
    host.install("good", &wat::logs(World::ChatPush, FINE));
    host
}

/// Does `harm` while a client posts and the good plugin handles what it posts; then
/// asserts that neither has noticed, and that the host is well.
pub(crate) fn watched<T>(host: &mut Host, harm: impl FnOnce(&Host) -> T) -> T {
    let done = AtomicBool::new(false);
    let shared = &*host;
    let result = thread::scope(|scope| {
        let client = scope.spawn(|| keep_posting(shared, &done));
        let result = {
            // Also if the harm panics: the client must end.
            let _end = Defer(&done);
            harm(shared)
        };
        client
            .join()
            .expect("each request gets its 200, and the good plugin goes on");
        result
    });
    let panics = host.log.matching(is_panic);
    assert!(panics.is_empty(), "the host panicked: {panics:?}");
    assert!(host.exited().is_none(), "the host has ended");
    assert!(host.stop().success(), "the host stops as it should");
    result
}

/// Sets a flag when it goes out of scope.
struct Defer<'a>(&'a AtomicBool);

impl Drop for Defer<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Posts one event after the other, each once the good plugin has handled the one
/// before, until some time after the harm is done.
fn keep_posting(host: &Host, done: &AtomicBool) {
    let handled =
        |line: &Value| hookbox_testkit::log::is_from_plugin(line, "good") && message(line) == FINE;
    let mut posted = host.log.matching(handled).len();
    let mut afterwards = 0;
    while afterwards < AFTERWARDS {
        afterwards += usize::from(done.load(Ordering::Acquire));
        posted += 1;
        host.post_chat(&format!("s{posted}"), &format!("message {posted}"));
        host.log
            .wait_count("the good plugin's line", posted, handled);
    }
}

fn is_panic(line: &Value) -> bool {
    // The message of a panic is no JSON.
    line.as_str().is_some_and(|text| text.contains("panicked"))
        || message(line).contains("panicked")
}

/// The reason of the first failed attempt of `plugin`.
pub(crate) fn failure(host: &Host, plugin: &str) -> String {
    let failed = host.log.wait("a failed attempt", |line| {
        field(line, "plugin") == plugin && message(line).starts_with("attempt failed")
    });
    message(&failed).to_owned()
}

/// The reason of the first attempt that `plugin` gave up by itself.
pub(crate) fn rejection(host: &Host, plugin: &str) -> String {
    first(host, plugin, "dead")["reason"]
        .as_str()
        .expect("a dead delivery has a reason")
        .to_owned()
}

/// Waits until `plugin` has handled an event.
pub(crate) fn well(host: &Host, plugin: &str) {
    first(host, plugin, "done");
}

/// The first delivery of `plugin` in a state.
fn first(host: &Host, plugin: &str, state: &str) -> Value {
    wait_for("a delivery of the villain", || {
        let path = format!("/api/deliveries?plugin={plugin}&state={state}&limit=1");
        host.api(&path)["deliveries"].as_array()?.first().cloned()
    })
}

/// A plugin of `tests/fixtures`, built once.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<Mutex<HashMap<String, Vec<u8>>>> = OnceLock::new();
    let mut built = BUILT
        .get_or_init(Mutex::default)
        .lock()
        .expect("no build panics");
    let build = || {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");
        let out = TempDir::new().expect("a scratch folder");
        let source = Path::new(root).join(name);
        let options = toolchain::Options::default();
        let plugin = toolchain::build_plugin(&source, out.path(), &options, &mut |_| {});
        std::fs::read(&plugin.expect("the plugin builds").component).expect("it was built")
    };
    built.entry(name.into()).or_insert_with(build).clone()
}
