use std::time::Duration;

use super::*;

fn policy() -> Policy {
    Policy {
        attempt: AttemptLimits::default(),
        ceilings: AttemptLimits::default(),
        concurrency: 8,
    }
}

fn parse(text: &str) -> Result<Manifest, String> {
    let file = Path::new("greeter.toml");
    Manifest::parse(text.as_bytes(), file, &policy()).map_err(|error| error.to_string())
}

#[test]
fn an_empty_manifest_is_the_default() {
    assert_eq!(parse(""), Ok(Manifest::defaults(&policy())));
}

#[test]
fn a_whole_manifest() {
    let manifest = parse(
        r#"
        ordering = "none"
        [config]
        greeting = "Hello"
        tries = 3
        loud = true
        [events]
        types = ["chat.push"]
        [limits]
        memory = "32MiB"
        cpu = "200ms"
        concurrency = 2
        kv_value = "1KiB"
        kv_total = "1MiB"
        requests = 3
        request_body = "2KiB"
        http_requests = 2
        http_response = "3KiB"
        [http]
        allow = ["POST https://hooks.example.com/"]
        [retry]
        attempts = 5
        base = "2s"
        max = "1h"
        traps = 2
        [breaker]
        failures = 0
        pause = "1s"
        max_pause = "1m"
        [rollback]
        watch = 50
        failures = 5
        smoke = '{"event_type":"x"}'
        "#,
    )
    .expect("it is good");
    assert_eq!(manifest.config["tries"], "3");
    assert_eq!(manifest.config["loud"], "true");
    assert_eq!(manifest.limits.memory, 32 << 20);
    assert_eq!(manifest.limits.cpu, Duration::from_millis(200));
    assert_eq!(manifest.concurrency, 2);
    let effects = manifest.limits.effects;
    assert_eq!((effects.kv_value, effects.kv_total), (1 << 10, 1 << 20));
    assert_eq!((effects.requests, effects.request_body), (3, 2 << 10));
    let http = manifest.limits.http;
    assert_eq!((http.requests, http.response_body), (2, 3 << 10));
    assert_eq!(effects.kv_keys, policy().attempt.effects.kv_keys);
    let retry = RetryPolicy {
        base: Duration::from_secs(2),
        max: Duration::from_secs(3600),
        attempts: 5,
        traps: 2,
    };
    assert_eq!(manifest.retry, retry);
    let breaker = BreakerPolicy {
        failures: 0,
        pause: Duration::from_secs(1),
        max_pause: Duration::from_secs(60),
    };
    assert_eq!(manifest.breaker, breaker);
    let rollback = RollbackPolicy {
        watch: 50,
        failures: 5,
    };
    assert_eq!(manifest.rollback, rollback);
    assert_eq!(manifest.smoke.as_deref(), Some(r#"{"event_type":"x"}"#));
    assert!(!manifest.ordered);
    assert_eq!(
        manifest.types.as_deref(),
        Some(&["chat.push".to_owned()][..])
    );
}

#[test]
fn a_manifest_may_ask_for_more_than_the_default_up_to_the_ceiling() {
    let mut policy = policy();
    policy.ceilings.memory = 96 << 20;
    policy.ceilings.http.requests = 20;
    let parse = |text: &str| {
        let manifest = Manifest::parse(text.as_bytes(), Path::new("a.toml"), &policy);
        manifest.map_err(|error| error.to_string())
    };
    let limits = parse("[limits]\nmemory = \"96MiB\"\nhttp_requests = 20").expect("it may");
    let limits = limits.limits;
    assert_eq!((limits.memory, limits.http.requests), (96 << 20, 20));
    assert_eq!(limits.wall, policy.attempt.wall);
    assert_eq!(parse("").expect("it may").limits, policy.attempt);
    assert_eq!(
        parse("[limits]\nmemory = \"97MiB\"").expect_err("too much"),
        "a.toml: [limits] memory = 97MiB is above the operator's ceiling of 96MiB: \
         lower it, or have the operator raise it under [ceilings] in hookbox.toml"
    );
    assert_eq!(
        parse("[limits]\nconcurrency = 9").expect_err("too many"),
        "a.toml: [limits] concurrency = 9 is above the operator's 8: \
         lower it, or have the operator raise `per_plugin` under [limits] in hookbox.toml"
    );
}

#[test]
fn a_limit_above_the_ceiling_names_both() {
    let error = parse("[limits]\nmemory = \"1GiB\"").expect_err("too much");
    assert!(error.contains("memory") && error.contains("64"), "{error}");
}

#[test]
fn an_unknown_key_names_the_line_and_the_nearest_key() {
    let error = parse("\n[limits]\nmemroy = \"1MiB\"").expect_err("unknown");
    assert!(error.contains('3') && error.contains("memory"), "{error}");
}

#[test]
fn a_limit_of_nothing_is_refused() {
    assert!(parse("[limits]\nconcurrency = 0").is_err());
}

#[test]
fn what_a_handler_may_keep_and_send_has_ceilings_as_well() {
    for (line, key) in [
        ("kv_value = \"1MiB\"", "kv_value"),
        ("kv_total = \"1GiB\"", "kv_total"),
        ("requests = 17", "requests"),
        ("request_body = \"2MiB\"", "request_body"),
        ("http_requests = 17", "http_requests"),
        ("http_response = \"2MiB\"", "http_response"),
    ] {
        let error = parse(&format!("[limits]\n{line}")).expect_err("too much");
        assert!(error.contains(key) && error.contains("ceiling"), "{error}");
    }
}

#[test]
fn a_policy_out_of_bounds_names_the_line_the_key_and_what_would_do() {
    for (text, says) in [
        ("[retry]\nattempts = 0", "line 2: `retry.attempts`"),
        ("[retry]\n\nattempts = 101", "line 3: `retry.attempts`"),
        ("[retry]\ntraps = -1", "from 1 to 100"),
        ("[retry]\nmax = \"25h\"", "from 1ms to 24h"),
        ("[retry]\nbase = \"0\"", "line 2: `retry.base`"),
        ("[retry]\nbase = 5", "line 2: `retry.base`"),
        ("[retry]\nbase = \"10m\"", "raise max"),
        ("[breaker]\nfailures = -1", "line 2: `breaker.failures`"),
        ("[breaker]\npause = \"6m\"", "raise max_pause"),
        ("[breaker]\npauze = \"6m\"", "did you mean `pause`?"),
        (
            "[rollback]\nfailures = 3\nwatch = 2",
            "failures = 3 is above watch = 2",
        ),
        ("[rollback]\nwatch = 0", "line 2: `rollback.watch`"),
        ("[rollback]\n\nfailures = -1", "line 3: `rollback.failures`"),
        ("[rollback]\nsmoke = '{}'", "line 2: `rollback.smoke`"),
        ("[rollback]\nsmoke = '{'", "the body of an event"),
        ("[retry]\natempts = 3", "did you mean `attempts`?"),
        (
            "[http]\nallow = \"https://a.example\"",
            "line 2: `http.allow`",
        ),
        ("[http]\nallow = [\"*\"]", "line 2: `http.allow`"),
    ] {
        let error = parse(text).expect_err("it doesn't do");
        assert!(error.contains(says), "{text}: {error}");
        assert!(error.contains("greeter.toml"), "{error}");
    }
}

#[test]
fn secrets_are_named_and_never_written_down() {
    let manifest = parse("[secrets]\nurl = \"SLACK_WEBHOOK\"").expect("it is good");
    assert_eq!(manifest.secrets["url"].to_string(), "SLACK_WEBHOOK");
    for literal in [
        "\"xoxb-12345\"",
        "12345678",
        "true",
        "1.5",
        "[\"xoxb-12345\"]",
    ] {
        let error = parse(&format!("[secrets]\nurl = {literal}")).expect_err("no name");
        assert!(
            error.starts_with("greeter.toml, line 2: `secrets.url`"),
            "{error}"
        );
        assert!(!error.contains("12345"), "{error}");
    }
    let error = parse("[config]\nurl = \"a\"\n[secrets]\nurl = \"A\"").expect_err("twice");
    assert!(
        error.contains("\"url\" is in [config] and in [secrets]"),
        "{error}"
    );
    let many: String = (0..33)
        .map(|number| format!("k{number} = \"A\"\n"))
        .collect();
    let error = parse(&format!("[secrets]\n{many}")).expect_err("too many");
    assert!(error.contains("at most 32"), "{error}");
}

#[test]
fn a_secret_that_isnt_offered_names_the_manifest_and_the_key() {
    let manifest = parse("[secrets]\nurl = \"SLACK_WEBHOOK\"").expect("it is good");
    let offer = crate::types::secrets::Offer {
        endpoint: crate::types::EndpointName::default_endpoint(),
        plugin: crate::types::PluginName::new("greeter").expect("a name"),
        secrets: std::sync::Arc::default(),
    };
    let error = manifest
        .given(Path::new("greeter.toml"), &offer)
        .expect_err("nothing is offered");
    let error = error.to_string();
    assert!(
        error.starts_with("greeter.toml: [secrets] \"url\": SLACK_WEBHOOK isn't allowed"),
        "{error}"
    );
}

#[test]
fn no_list_is_so_long_that_each_event_takes_time() {
    for (table, key, entry) in [
        ("events", "types", "\"x\","),
        ("events", "agents", "\"x\","),
        ("http", "allow", "\"POST https://a.example/\","),
    ] {
        let text = |count: usize| format!("[{table}]\n{key} = [{}]", entry.repeat(count));
        parse(&text(1000)).expect("as many as there may be");
        let error = parse(&text(1001)).expect_err("one more");
        let says = format!("greeter.toml, line 2: `{table}.{key}`: 1001 entries are too many");
        assert!(error.starts_with(&says), "{error}");
    }
}

#[test]
fn a_key_without_end_isnt_repeated_to_its_end() {
    let key = "k".repeat(10_000);
    let twice = format!("[config]\n{key} = \"a\"\n[secrets]\n{key} = \"A\"");
    let error = parse(&twice).expect_err("twice");
    assert!(error.len() < 500, "{} bytes", error.len());
    let manifest = parse(&format!("[secrets]\n{key} = \"A\"")).expect("it is good");
    let offer = crate::types::secrets::Offer {
        endpoint: crate::types::EndpointName::default_endpoint(),
        plugin: crate::types::PluginName::new("greeter").expect("a good name"),
        secrets: std::sync::Arc::default(),
    };
    let error = manifest.given(Path::new("greeter.toml"), &offer);
    let error = error.expect_err("there is none").to_string();
    assert!(error.len() < 500, "{} bytes", error.len());
}
