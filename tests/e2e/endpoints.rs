//! Endpoints of one host: nothing of one reaches another.

use std::fs;
use std::path::PathBuf;

use hookbox_testkit::http::{Answer, Client};
use hookbox_testkit::wat::{World, logs};
use hookbox_testkit::{Host, HostOptions, samples, wait_for};

use crate::support::said;

const CONFIG: &str = r#"
[[endpoint]]
name = "shop"
plugins = "shop"
dedupe_window = "0"
[[endpoint.auth]]
type = "header"
name = "X-Key"
secret = "env:SHOP_KEY"

[[endpoint]]
name = "blog"
path = "/hooks/blog"
plugins = "blog"
[[endpoint.auth]]
type = "header"
name = "X-Key"
secret = "env:BLOG_KEY"
"#;

/// A host with both, and with the default one, whose plugins folder a flag names.
fn host() -> Host {
    let env = [("SHOP_KEY", "s-key"), ("BLOG_KEY", "b-key")];
    let host = Host::start(
        env!("CARGO_BIN_EXE_hookbox"),
        HostOptions {
            config: CONFIG.into(),
            env: env.map(|(name, value)| (name.into(), value.into())).into(),
            ..HostOptions::default()
        },
    );
    for (folder, text) in [
        ("shop", "at the shop"),
        ("blog", "at the blog"),
        ("plugins", "at home"),
    ] {
        let file = folder_of(&host, folder).join("teller.wasm");
        fs::write(file, logs(World::ChatPush, text)).unwrap();
    }
    wait_for("all three plugins to run", || {
        let plugins = host.api("/api/plugins")["plugins"].as_array().cloned()?;
        let run = plugins
            .iter()
            .filter(|plugin| plugin["version"].is_string());
        (run.count() == 3).then_some(())
    });
    host
}

fn folder_of(host: &Host, name: &str) -> PathBuf {
    host.plugins().parent().unwrap().join(name)
}

fn post(host: &Host, path: &str, key: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("x-key", key)];
    let url = format!("{}{path}", host.url);
    Client::default()
        .post(&url, &headers, body.as_bytes())
        .unwrap()
}

/// How many deliveries the endpoint's plugin has had, all of them done.
fn done(host: &Host, endpoint: &str) -> usize {
    let path = format!("/api/deliveries?plugin=teller&endpoint={endpoint}&state=done");
    host.api(&path)["deliveries"].as_array().unwrap().len()
}

#[test]
fn endpoints_have_their_own_plugins_authentication_and_duplicates() {
    let host = host();
    let body = samples::chat("s", "hello");
    assert_eq!(post(&host, "/webhook/shop", "b-key", &body).status, 401);
    assert_eq!(post(&host, "/hooks/blog", "s-key", &body).status, 401);
    assert_eq!(post(&host, "/webhook/blog", "b-key", &body).status, 404);

    // The same body is another event at each of them.
    for (path, key) in [("/webhook/shop", "s-key"), ("/hooks/blog", "b-key")] {
        let answer = post(&host, path, key, &body);
        assert_eq!(
            (answer.status, answer.header("hookbox-duplicate-of")),
            (200, None)
        );
    }
    host.log.wait("the shop", said("teller", "at the shop"));
    host.log.wait("the blog", said("teller", "at the blog"));
    wait_for("both to be done", || {
        (done(&host, "shop") == 1 && done(&host, "blog") == 1).then_some(())
    });

    // Once more: a duplicate at the blog, and handled again at the shop, where
    // duplicates are not looked for.
    let blog = post(&host, "/hooks/blog", "b-key", &body);
    assert!(blog.header("hookbox-duplicate-of").is_some());
    let shop = post(&host, "/webhook/shop", "s-key", &body);
    assert_eq!(
        (shop.status, shop.header("hookbox-duplicate-of")),
        (200, None)
    );
    wait_for("the second at the shop", || {
        (done(&host, "shop") == 2).then_some(())
    });
    assert_eq!((done(&host, "blog"), done(&host, "default")), (1, 0));
    assert!(host.log.matching(said("teller", "at home")).is_empty());
}
