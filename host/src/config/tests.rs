#![allow(clippy::unwrap_used)]

use super::*;
use crate::ingest::auth::Scheme;
use crate::sandbox::AttemptLimits;
use crate::types::Secret;

fn env(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("s3cret\n".into()),
        "EMPTY" => Some("\n".into()),
        _ => None,
    }
}

fn resolve(text: &str) -> Result<Config, ConfigError> {
    let raw = Config::read_text(text, Path::new("hookbox.toml"))?;
    resolve::resolve(raw, &env)
}

fn error(text: &str) -> String {
    resolve(text).unwrap_err().to_string()
}

#[test]
fn an_empty_file_has_the_documented_defaults() {
    let config = resolve("").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:3001");
    let [default] = &config.endpoints[..] else {
        panic!("one endpoint: {:?}", config.endpoints);
    };
    assert_eq!(default.plugins, Path::new("./plugins"));
    assert_eq!(
        (default.name.as_str(), default.path.as_str()),
        ("default", "/webhook")
    );
    assert_eq!(config.retention_size, None);
    assert_eq!(config.data, Path::new("./data"));
    assert_eq!(config.bounds.max_body, 1 << 20);
    assert!(default.auth.is_empty() && config.admin.token.is_none());
    let limits = config.limits;
    assert_eq!(limits.attempt, AttemptLimits::default());
    assert_eq!(limits.ceilings, limits.attempt);
    assert_eq!(
        (limits.per_plugin, limits.per_endpoint, limits.total),
        (8, 64, 256)
    );
    assert_eq!(limits.plugins, 64);
    assert!(limits.memory_budget <= available_memory());
}

#[test]
fn a_full_file_is_read() {
    let config = resolve(
        r#"
        listen = "0.0.0.0:80"
        plugins = "p"
        data = "/d"
        [admin]
        listen = "0.0.0.0:81"
        token = "env:KEY"
        [[auth]]
        type = "header"
        name = "X-API-Key"
        secret = "env:KEY"
        [[auth]]
        type = "hmac-timestamped"
        secret = "env:KEY"
        [ingest]
        max_body = "2MiB"
        [journal]
        dedupe_window = "0"
        retention = "3d"
        retention_size = "2GiB"
        kv_quota = "1MiB"
        counters_quota = 7
        outbox_quota = "2MiB"
        [limits]
        cpu = "250ms"
        memory_budget = "1GiB"
        "#,
    )
    .unwrap();
    let key = Secret::new("s3cret");
    assert_eq!(config.admin.token, Some(key.clone()));
    assert_eq!(
        config.endpoints[0].auth,
        [
            Scheme::Header {
                name: "x-api-key".parse().unwrap(),
                value: key.clone()
            },
            Scheme::HmacTimestamped { secret: key },
        ]
    );
    assert_eq!(config.bounds.max_body, 2 << 20);
    assert_eq!(config.journal.dedupe_window, Duration::ZERO);
    assert_eq!(config.retention, Duration::from_secs(3 * 86_400));
    assert_eq!(config.retention_size, Some(2 << 30));
    assert_eq!(
        (config.journal.kv_quota, config.journal.counters_quota),
        (1 << 20, 7)
    );
    assert_eq!(config.journal.outbox_quota, 2 << 20);
    assert_eq!(config.limits.attempt.cpu, Duration::from_millis(250));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn each_mistake_is_explained_with_its_place() {
    for (text, expected) in [
        (
            "\nlisten_on = 1",
            "hookbox.toml, line 2: `listen_on`: unknown key `listen_on`; did you mean `listen`?",
        ),
        (
            "[ingest]\nmax_bodi = 1",
            "hookbox.toml, line 2: `ingest.max_bodi`: unknown key `max_bodi`; did you mean `max_body`?",
        ),
        (
            "[admin]\nzzz = 1",
            "hookbox.toml, line 2: `admin.zzz`: unknown key `zzz`; known here: listen, token",
        ),
        (
            "[ingest]\n\nmax_in_flight = \"many\"",
            "hookbox.toml, line 3: `ingest.max_in_flight`: invalid type: string \"many\", expected a whole number",
        ),
        (
            "[limits]\nmemory = \"64MB\"",
            "hookbox.toml, line 2: `limits.memory`: \"64MB\" isn't a size: write a whole number and B, KiB, MiB or GiB, such as \"64MiB\"",
        ),
        (
            "[limits]\ncpu = 1",
            "hookbox.toml, line 2: `limits.cpu`: invalid type: integer `1`, expected a duration such as \"10s\"",
        ),
        (
            "listen = \"localhost\"",
            "hookbox.toml, line 1: `listen`: invalid socket address syntax",
        ),
        (
            "[[auth]]\ntype = \"hmacs\"\nsecret = \"env:KEY\"",
            "hookbox.toml, line 2: `auth[0].type`: unknown word `hmacs`; did you mean `hmac`?",
        ),
        (
            "[[auth]]\ntype = \"hmac\"",
            "hookbox.toml, line 1: `auth[0]`: missing field `secret`",
        ),
        (
            "[admin]\ntoken = \"hunter2\"",
            "hookbox.toml, line 2: `admin.token`: a secret can't stand in the configuration itself: write \"env:NAME\" for an environment variable or \"file:PATH\" for a file",
        ),
        (
            "[admin]\ntoken = \"env:NO\"",
            "`admin.token`: the environment variable NO isn't set: set it, or name another one",
        ),
        (
            "[admin]\ntoken = \"env:EMPTY\"",
            "`admin.token`: the secret from the environment variable EMPTY is empty",
        ),
        (
            "[[auth]]\ntype = \"header\"\nsecret = \"env:KEY\"",
            "`auth[0].name`: an entry of the type \"header\" needs the header's name",
        ),
        ("[limits]\ntotal = 0", "`limits.total`: must be at least 1"),
        (
            "listen = \"0.0.0.0:3000\"",
            "`listen`: 0.0.0.0:3000 can be reached from other machines and no `[[auth]]` is configured: add one, listen on 127.0.0.1, or set `allow_open = true` if anyone may post",
        ),
        (
            "[admin]\nlisten = \"[::]:1\"",
            "`admin.listen`: [::]:1 can be reached from other machines: set `token` in `[admin]`, or listen on 127.0.0.1",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn a_literal_secret_is_never_repeated() {
    for secret in [
        "\"hunter2\"",
        "20022002",
        "2002.25",
        "[\"hunter2\"]",
        "'''hunter2",
        "hunter2",
    ] {
        let message = error(&format!("[admin]\ntoken = {secret}"));
        assert!(
            !message.contains("2002") && !message.contains("hunter2"),
            "{message}"
        );
    }
}

#[test]
fn open_listening_can_be_allowed() {
    assert!(resolve("listen = \"0.0.0.0:1\"\nallow_open = true").is_ok());
}

#[test]
fn flags_come_before_variables_before_the_file_and_paths_keep_their_base() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("h.toml");
    std::fs::write(dir.path().join("key"), "from file\r\n").unwrap();
    std::fs::write(
        &file,
        "listen = '127.0.0.1:1'\nplugins = 'p'\ndata = 'd'\n[admin]\nlisten = '127.0.0.1:2'\ntoken = 'file:key'\n[limits]\ntotal = 3\n",
    )
    .unwrap();
    let variables = |name: &str| {
        let value = match name {
            "HOOKBOX_LISTEN" => "127.0.0.1:4",
            "HOOKBOX_DATA" => "a \"folder\"",
            "HOOKBOX_LIMITS_TOTAL" => "5",
            "HOOKBOX_ADMIN_LISTEN" => "127.0.0.1:6",
            "HOOKBOX_AUTH" => "[{type = 'hmac', secret = 'env:KEY'}]",
            "KEY" => "k",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let flags = Overrides {
        config: Some(file),
        admin: Some("127.0.0.1:7".parse().unwrap()),
        ..Overrides::default()
    };
    let config = Config::load(flags, &variables).unwrap();
    assert_eq!(config.listen.port(), 4);
    assert_eq!(config.admin.listen.port(), 7);
    assert_eq!(config.admin.token, Some(Secret::new("from file")));
    assert_eq!(config.endpoints[0].plugins, dir.path().join("p"));
    assert_eq!(config.data, Path::new("a \"folder\""));
    assert_eq!(config.limits.total, 5);
    assert_eq!(
        config.endpoints[0].auth,
        [Scheme::Hmac {
            secret: Secret::new("k")
        }]
    );
}

#[test]
fn a_wrong_variable_or_a_missing_file_is_named() {
    let load = |overrides, env: &dyn Fn(&str) -> Option<String>| {
        Config::load(overrides, env).unwrap_err().to_string()
    };
    let variable = |name: &str| (name == "HOOKBOX_LIMITS_TOTAL").then(|| "many".to_owned());
    assert!(
        load(Overrides::default(), &variable)
            .starts_with("the environment variable HOOKBOX_LIMITS_TOTAL: ")
    );
    let missing = Overrides {
        config: Some("/no/such.toml".into()),
        ..Overrides::default()
    };
    assert!(load(missing, &|_| None).starts_with("/no/such.toml can't be read: "));
}

#[test]
fn the_operators_guide_names_every_key_with_its_default() {
    let guide = include_str!("../../../docs/operators.md");
    let (_, block) = guide.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let table: toml::Table = toml::from_str(text).unwrap();
    // The ceilings are the limits' keys again.
    let of_attempts = limits::VARIABLES.iter();
    let of_attempts = of_attempts.filter(|(key, _)| !key.starts_with("ceilings."));
    for &(key, _) in variables::KEYS.iter().chain(of_attempts) {
        let mut place = Some(&table);
        let mut names = key.split('.').peekable();
        while let Some(name) = names.next() {
            let value = place.and_then(|table| table.get(name));
            assert!(value.is_some(), "{key} is missing");
            place = value.and_then(toml::Value::as_table);
            assert_eq!(place.is_some(), names.peek().is_some(), "{key}");
        }
    }
    let mut raw: RawConfig = toml_file::parse(text, Path::new("operators.md")).unwrap();
    assert_eq!(raw.auth.len(), 3);
    // What the guide shows, but nobody has by default.
    raw.auth.clear();
    raw.secrets.clear();
    raw.admin.token = None;
    raw.journal.retention_size = None;
    raw.limits.memory_budget = None;
    assert_ne!(raw.ceilings, RawCeilings::default());
    raw.ceilings = RawCeilings::default();
    raw.outbound.ca_file = None;
    let shown = resolve::resolve(raw, &env).unwrap();
    assert_eq!(format!("{shown:?}"), format!("{:?}", resolve("").unwrap()));
}

#[test]
fn ceilings_start_at_the_limits_and_are_nowhere_below() {
    let config = resolve("[limits]\nmemory = '32MiB'\nhttp_requests = 3").unwrap();
    assert_eq!(config.limits.attempt.memory, 32 << 20);
    assert_eq!(config.limits.ceilings, config.limits.attempt);
    let config = resolve("[ceilings]\nmemory = '96MiB'\nkv_keys = 20000").unwrap();
    let Limits {
        attempt, ceilings, ..
    } = config.limits;
    assert_eq!(attempt, AttemptLimits::default());
    assert_eq!(
        (ceilings.memory, ceilings.effects.kv_keys),
        (96 << 20, 20_000)
    );
    assert_eq!((ceilings.wall, ceilings.http), (attempt.wall, attempt.http));
    for (text, expected) in [
        (
            "[ceilings]\nmemory = '32MiB'",
            "`ceilings.memory`: 32MiB is below what a plugin gets by default: raise it, or lower `limits.memory`, which is 64MiB",
        ),
        (
            "[limits]\nhandles = 300\n[ceilings]\nhandles = 299",
            "`ceilings.handles`: 299 is below what a plugin gets by default: raise it, or lower `limits.handles`, which is 300",
        ),
        (
            "[limits]\ncpu = '0s'",
            "`limits.cpu`: must be more than nothing",
        ),
        (
            "[ceilings]\nmemory = '5GiB'",
            "`ceilings.memory`: 5GiB is more than a handler can use: write 4GiB at most",
        ),
        (
            "[limits]\nmemory_budget = '65MiB'\n[ceilings]\nmemory = '66MiB'",
            "`limits.memory_budget`: 65MiB is less than one attempt's `memory` of 66MiB: raise it or lower `ceilings.memory`",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn a_plugin_keeps_no_more_than_the_journal_does() {
    let kept = |text: &str| resolve(text).unwrap().limits.attempt.effects.kv_total;
    assert_eq!(kept(""), 64 << 20);
    assert_eq!(kept("[journal]\nkv_quota = '1GiB'"), 1 << 30);
    assert_eq!(kept("[limits]\nkv_total = '1MiB'"), 1 << 20);
    for table in ["limits", "ceilings"] {
        assert_eq!(
            error(&format!("[{table}]\nkv_total = '65MiB'")),
            format!(
                "`{table}.kv_total`: 65MiB is above what the journal keeps of a plugin: raise `journal.kv_quota`, which is 64MiB"
            )
        );
    }
}

#[test]
fn each_limit_has_a_variable() {
    let variables = |name: &str| {
        let value = match name {
            "HOOKBOX_LIMITS_RANDOM" => "2MiB",
            "HOOKBOX_LIMITS_HTTP_REQUESTS" => "0",
            "HOOKBOX_CEILINGS_WALL" => "1m",
            "HOOKBOX_CEILINGS_KV_KEYS" => "12345",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let raw = variables::read(&variables).unwrap();
    let limits = resolve::resolve(raw, &env).unwrap().limits;
    assert_eq!(limits.attempt.random, 2 << 20);
    assert_eq!(limits.attempt.http.requests, 0);
    assert_eq!(limits.ceilings.wall.as_secs(), 60);
    assert_eq!(limits.ceilings.effects.kv_keys, 12_345);
}

#[test]
fn a_list_with_single_brackets_says_how_to_write_it() {
    let error = resolve("[auth]\ntype = \"hmac\"\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("[[") && error.contains("line 1"), "{error}");
}

const TWO: &str = r#"
[[endpoint]]
name = "shop"
plugins = "a"
dedupe_window = "0"
[[endpoint.auth]]
type = "hmac"
secret = "env:KEY"
[[endpoint]]
name = "blog"
path = "/hooks/blog"
plugins = "b"
"#;

#[test]
fn endpoints_are_their_own_and_the_default_is_there_only_if_asked_for() {
    let config = resolve(TWO).unwrap();
    let seen: Vec<_> = config
        .endpoints
        .iter()
        .map(|endpoint| {
            let folder = endpoint.plugins.to_str().unwrap();
            (
                endpoint.name.as_str(),
                endpoint.path.as_str(),
                folder,
                endpoint.auth.len(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("shop", "/webhook/shop", "a", 1),
            ("blog", "/hooks/blog", "b", 0)
        ]
    );
    let window = |endpoint: &EndpointConfig| config.journal.window_of(&endpoint.name);
    let windows: Vec<_> = config.endpoints.iter().map(window).collect();
    assert_eq!(windows, [Duration::ZERO, Duration::from_secs(86_400)]);

    let with_default = resolve(&format!("plugins = \"p\"\n{TWO}")).unwrap();
    assert_eq!(with_default.endpoints.len(), 3);
    assert_eq!(with_default.endpoints[0].path, "/webhook");
}

#[test]
fn endpoints_that_could_be_mixed_up_are_refused() {
    let more = |text: &str| error(&format!("{TWO}[[endpoint]]\n{text}"));
    for (text, expected) in [
        (
            more("name = \"shop\"\nplugins = \"c\""),
            "two endpoints with the name `shop`",
        ),
        (
            more("name = \"c\"\npath = \"/hooks/blog\"\nplugins = \"c\""),
            "`blog` and `c` have the same path \"/hooks/blog\"",
        ),
        (
            more("name = \"c\"\nplugins = \"x/../b\""),
            "the plugins folders of `blog` and `c` are the same or lie one in the other",
        ),
        (
            more("name = \"c\"\nplugins = \"a/c\""),
            "the plugins folders of `shop` and `c` are the same or lie one in the other",
        ),
        (
            more("name = \"c\"\npath = \"/readyz\"\nplugins = \"c\""),
            "`endpoint[2].path`: \"/readyz\" is the host's own",
        ),
        (
            more("name = \"C\"\nplugins = \"c\""),
            "`endpoint[2].name`: 'C' can't stand there",
        ),
        (more("name = \"c\""), "missing field `plugins`"),
        (
            more("name = \"c\"\nplugin = \"c\""),
            "line 15: `endpoint[2].plugin`: unknown key `plugin`; did you mean `plugins`?",
        ),
        (
            more(
                "name = \"c\"\nplugins = \"c\"\n[[endpoint.auth]]\ntype = \"header\"\nsecret = \"env:KEY\"",
            ),
            "`endpoint[2].auth[0].name`: an entry of the type \"header\" needs",
        ),
        (
            error(&format!("listen = \"0.0.0.0:1\"\n{TWO}")),
            "the endpoint `blog` has no `auth`",
        ),
        (
            error(&format!(
                "auth = [{{type = \"hmac\", secret = \"env:KEY\"}}]\n{TWO}"
            )),
            "`auth`: it belongs to the endpoint `default`, which isn't there",
        ),
    ] {
        assert!(text.contains(expected), "{text} lacks {expected}");
    }
}

#[test]
fn the_data_folder_is_no_plugins_folder() {
    for text in [
        format!("data = \"x/../b\"\n{TWO}"),
        "data = \"plugins\"".to_owned(),
        "plugins = \"data/\"".to_owned(),
    ] {
        let error = error(&text);
        assert!(
            error.contains("`data`: ") && error.contains("is also the plugins folder of"),
            "{error}"
        );
    }
    assert!(resolve("data = \"d\"\nplugins = \"d/plugins\"").is_ok());
    assert!(resolve("data = \"p/data\"\nplugins = \"p\"").is_ok());
}

#[test]
fn every_secret_is_listed_with_its_key() {
    let raw = Config::read_text(
        &format!(
            "auth = [{{type = \"hmac\", secret = \"env:A\"}}]\n{TWO}[admin]\ntoken = \"file:t\""
        ),
        Path::new("hookbox.toml"),
    )
    .unwrap();
    let keys: Vec<_> = raw.secrets().into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "admin.token",
            "auth[0].secret",
            "endpoint[0].auth[0].secret"
        ]
    );
}

#[test]
fn compiling_is_bounded_within_reason() {
    let compile =
        resolve("[compile]\nmemory = '256MiB'\ncpu = '5s'\nwall = '7s'\ncache = '1MiB'\n");
    let compile = compile.unwrap().compile;
    let bounds = compile.limits.bounds;
    assert_eq!((bounds.memory, bounds.cpu.as_secs()), (256 << 20, 5));
    assert_eq!((compile.limits.wall.as_secs(), compile.cache), (7, 1 << 20));

    let message = error("compile.memory = '255MiB'");
    assert_eq!(message, "`compile.memory`: must be at least 256MiB");
    let message = error("compile.cpu = '999ms'");
    assert_eq!(message, "`compile.cpu`: must be at least 1s");
    assert!(error("compile.wall = '0s'").starts_with("`compile.wall`"));
}
