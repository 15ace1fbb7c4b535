//! What the tests share.

use hookbox_testkit::{Host, HostOptions};
use serde_json::Value;

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
