use proptest::prelude::*;

use super::*;

fn grants(entries: &[&str]) -> Grants {
    let entries: Vec<_> = entries.iter().map(|&entry| entry.to_owned()).collect();
    Grants::parse(&entries).expect("good entries")
}

fn misfit(entry: &str) -> Misfit {
    let error = Grants::parse(&["a.com".to_owned(), entry.to_owned()]).expect_err(entry);
    assert_eq!(error.number, 2);
    error.why
}

fn allows(entry: &str, request: &str) -> bool {
    let (method, url) = request.split_once(' ').expect("method and URL");
    grants(&[entry]).check(method, url).is_ok()
}

#[test]
fn nothing_is_allowed_by_default() {
    let denied = Grants::default()
        .check(
            "POST",
            "https://hooks.slack.com/services/T0/B0/secret?token=x",
        )
        .expect_err("no grant");
    assert_eq!(
        denied.to_string(),
        "the manifest doesn't allow this request: \
         add [http] allow = [\"POST https://hooks.slack.com/services/\"] to it"
    );
}

#[test]
fn the_line_to_add_holds_no_token_of_the_path() {
    for url in [
        "https://api.telegram.org/bot123:AbC/sendMessage",
        "https://api.telegram.org/0123456789abcdef0123/x",
        "https://api.telegram.org/9f86d081884c7d65/x",
        "https://api.telegram.org/9f86d081/x",
        "https://api.telegram.org/qwertzuiopasdfg/x",
        "https://api.telegram.org/secret",
        "https://api.telegram.org/services/%2e%2e%2fx",
    ] {
        let Err(Denied::NotGranted { line }) = Grants::default().check("GET", url) else {
            panic!("{url} is allowed");
        };
        assert_eq!(line, "[http] allow = [\"GET https://api.telegram.org/\"]");
    }
}

#[test]
fn a_wrong_entry_is_named_without_what_may_be_secret_in_it() {
    for entry in [
        "https://hooks.slack.com/services/T0/B0/hunter2?x",
        "https://me:hunter2@example.com/",
    ] {
        let error = Grants::parse(&[entry.to_owned()]).expect_err(entry);
        let text = error.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.starts_with("entry 1 of the list: "), "{text}");
    }
}

#[test]
fn a_path_that_is_encoded_over_and_over_is_refused_at_once() {
    let deep = |times: usize| format!("GET https://h.com/v1/%{}41", "25".repeat(times));
    assert!(allows("https://h.com/v1/", &deep(3)));
    assert!(allows("https://h.com/", &deep(4000)));
    assert!(!allows("https://h.com/v1/", &deep(4000)));
}

#[test]
fn an_entry_allows_what_it_says() {
    for (entry, request) in [
        ("POST https://h.com/s/", "POST https://h.com/s/x?y=1#z"),
        ("https://h.com:8443/v1", "DELETE https://h.com:8443/v1"),
        ("https://h.com:8443/v1", "GET https://h.com:8443/v1/x"),
        ("https://h.com/v1/", "GET https://h.com/v1/"),
        ("https://h.com/v1/", "GET https://H.COM:443/./v1/a%2Fb"),
        ("h.com", "PUT https://h.com/any/thing"),
        ("h.com:8443", "PUT https://h.com:8443/"),
        ("h.com/v1", "PUT https://h.com/v1"),
        ("http://h.com", "GET http://h.com/"),
        ("*.h.com", "GET https://a.h.com/"),
        ("GET https://*.h.com/v1", "GET https://a.b.h.com/v1"),
        ("https://BÜCHER.example", "GET https://bücher.example/"),
        ("http://127.0.0.1:8080/", "GET http://0x7f.1:8080/x"),
        ("http://[::1]/", "GET http://[0:0::1]/x"),
    ] {
        assert!(allows(entry, request), "{entry} allows {request}");
    }
}

#[test]
fn an_entry_allows_nothing_else() {
    for (entry, request) in [
        ("POST https://h.com/s/", "GET https://h.com/s/x"),
        ("POST https://h.com/s/", "POST https://h.com/s"),
        ("https://h.com/v1", "GET https://h.com/v10"),
        ("https://h.com/v1", "GET https://h.com/V1"),
        ("https://h.com/v1/", "GET https://h.com/v1/../admin"),
        ("https://h.com/v1/", "GET https://h.com/v1/%2e%2e/admin"),
        ("https://h.com/v1/", "GET https://h.com/v1\\..\\admin"),
        ("https://h.com/v1/", "GET https://h.com/v1/x%2F..%2F..%2Fa"),
        ("https://h.com/v1/", "GET https://h.com/v1/%252e%252e/admin"),
        ("https://h.com/v1/", "GET https://h.com/v1/..;x/admin"),
        ("https://h.com/v1/", "GET https://h.com/v1/..%5Cadmin"),
        ("h.com", "GET http://h.com/"),
        ("h.com", "GET https://h.com:8443/"),
        ("h.com", "GET https://a.h.com/"),
        ("h.com", "GET https://h.com.evil.com/"),
        ("h.com", "GET https://h.com@evil.com/"),
        ("h.com", "GET https://evil.com/h.com"),
        ("h.com", "GET https://evil.com\\@h.com/"),
        ("h.com", "GET https://h.com./"),
        ("*.h.com", "GET https://h.com/"),
        ("*.h.com", "GET https://evilh.com/"),
        ("*.h.com", "GET https://.h.com/"),
        ("*.h.com", "GET https://*.h.com/"),
        ("h.com", "CONNECT https://h.com/"),
        ("h.com", "get https://h.com/"),
        ("http://127.0.0.1/", "GET http://127.0.0.2/"),
        ("http://127.0.0.1/", "GET http://[::ffff:127.0.0.1]/"),
    ] {
        assert!(!allows(entry, request), "{entry} doesn't allow {request}");
    }
}

#[test]
fn entries_that_say_too_much_or_nothing_clear_are_refused() {
    for (entry, why) in [
        ("", Misfit::Words),
        ("GET https://a.com/ x", Misfit::Words),
        ("get https://a.com/", Misfit::Unfit(Unfit::Method)),
        ("https://user@a.com/", Misfit::Unfit(Unfit::UserInfo)),
        ("ftp://a.com/", Misfit::Unfit(Unfit::Scheme)),
        ("https://a.com./", Misfit::Unfit(Unfit::Host)),
        ("https://a.com/?q", Misfit::Query),
        ("https://a.com/?", Misfit::Query),
        ("https://a.com/#f", Misfit::Query),
        ("*", Misfit::Wildcard),
        ("*.com", Misfit::Wildcard),
        ("https://*/", Misfit::Wildcard),
        ("https://a.*.com/", Misfit::Wildcard),
        ("https://*a.com/", Misfit::Wildcard),
        ("*.*.com", Misfit::Wildcard),
        ("*.127.0.0.1", Misfit::Wildcard),
        ("http://0x7f.1/", Misfit::Address),
        ("http://2130706433/", Misfit::Address),
        ("https://a.com/x%2f..%2fy/", Misfit::Path),
    ] {
        assert_eq!(misfit(entry), why, "{entry}");
    }
}

/// Pieces that URL tricks are made of.
fn url() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("https://"),
        Just("http://"),
        Just("h.com"),
        Just("evil.com"),
        Just("@"),
        Just("/"),
        Just("\\"),
        Just(".."),
        Just("%2e"),
        Just("%2f"),
        Just("%25"),
        Just("v1"),
        Just("."),
        Just("a"),
        Just(":443"),
        Just(":80"),
        Just("?"),
        Just("#"),
        Just("\t"),
        Just("\u{ff0e}"),
        Just("H"),
        Just(";"),
        Just("*"),
        Just("0x7f.1"),
        Just("[::1]"),
        Just("ü"),
    ];
    let tail = proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat());
    (
        prop_oneof![
            Just("https://h.com/v1"),
            Just("https://h.com"),
            Just("https://"),
            Just("")
        ],
        tail,
    )
        .prop_map(|(head, tail)| format!("{head}{tail}"))
}

proptest! {
    /// Whatever is allowed stays on the host and below the path, also for
    /// someone who decodes the path once more.
    #[test]
    fn no_trick_leaves_the_grant(url in url()) {
        let grants = grants(&["GET https://h.com/v1/"]);
        if grants.check("GET", &url).is_ok() {
            let again = url::Url::parse(&url).expect("a URL");
            prop_assert_eq!(again.host_str(), Some("h.com"));
            prop_assert_eq!(again.port_or_known_default(), Some(443));
            prop_assert!(again.path().starts_with("/v1/"));
            let mut path = again.path().to_owned();
            for _ in 0..3 {
                path = path.replace("%2e", ".").replace("%2f", "/").replace("%25", "%");
            }
            let naive = url::Url::parse(&format!("https://h.com{path}")).expect("a URL");
            prop_assert!(naive.path().starts_with("/v1/"), "{} is read as {}", url, naive.path());
            prop_assert!(grants.check("POST", &url).is_err());
        }
    }

    /// The line that a refusal names can be added, and allows the request.
    #[test]
    fn the_line_to_add_allows_the_request(url in url()) {
        if let Err(Denied::NotGranted { line }) = Grants::default().check("PATCH", &url) {
            let entry = line
                .strip_prefix("[http] allow = [\"")
                .and_then(|line| line.strip_suffix("\"]"))
                .expect("the line's form");
            prop_assert!(allows(entry, &format!("PATCH {url}")), "{}", line);
        }
    }

    /// Neither entries nor URLs can make it panic, and more grants never allow less.
    #[test]
    fn anything_can_be_asked(entry in ".{0,40}", url in ".{0,40}", method in ".{0,8}") {
        let _ = Grants::parse(&[format!("GET {entry}"), entry.clone()]);
        let _ = Grants::default().check(&method, &url);
        if let Ok(some) = Grants::parse(std::slice::from_ref(&entry)) {
            let more = Grants::parse(&[entry, "other.example".into()]).expect("both are good");
            prop_assert!(some.check(&method, &url).is_err() || more.check(&method, &url).is_ok());
        }
    }
}
