use super::*;

fn name(text: &str) -> SecretName {
    SecretName::new(text).expect("a name")
}

fn plugin(text: &str) -> PluginName {
    PluginName::new(text).expect("a name")
}

fn offer(to: &str) -> Offer {
    let mut offered = Offered::default();
    let known = |text: &str| Known::new(Secret::new(text)).expect("it is fit");
    offered.add(name("FOR_ALL"), known("all-of-us"), None);
    let only = BTreeSet::from([plugin("slack")]);
    offered.add(name("FOR_SLACK"), known("slacks-own"), Some(only));
    Offer {
        endpoint: EndpointName::default_endpoint(),
        plugin: plugin(to),
        secrets: Arc::new(offered),
    }
}

fn ask(offer: &Offer, pairs: &[(&str, &str)]) -> Result<Given, String> {
    let asked = pairs
        .iter()
        .map(|(key, value)| ((*key).into(), name(value)));
    let given = offer.give(asked.collect());
    given.map_err(|(key, why)| format!("{key}: {why}"))
}

#[test]
fn a_plugin_has_what_it_names_and_is_offered_and_nothing_else() {
    let given = ask(&offer("slack"), &[("url", "FOR_SLACK")]).expect("it is offered");
    assert_eq!(given.text("url").as_deref(), Some("slacks-own"));
    assert_eq!(given.text("FOR_SLACK"), None);
    assert_eq!(
        given.redactor().text("all-of-us slacks-own"),
        "all-of-us [secret]"
    );
    let given = ask(&offer("other"), &[("x", "FOR_ALL")]).expect("it is offered");
    assert_eq!(given.text("x").as_deref(), Some("all-of-us"));
}

#[test]
fn one_that_isnt_offered_and_one_that_isnt_there_are_refused_alike() {
    let refused = ask(&offer("other"), &[("url", "FOR_SLACK")]).expect_err("not offered");
    let absent = ask(&offer("other"), &[("url", "NOWHERE")]).expect_err("not there");
    assert_eq!(refused.replace("FOR_SLACK", "NOWHERE"), absent);
    assert!(
        absent.contains(r#"NOWHERE = { from = "env:NOWHERE", plugins = ["other"] }"#),
        "{absent}"
    );
    assert!(
        absent.contains("under [secrets] in hookbox.toml"),
        "{absent}"
    );
    let shop = Offer {
        endpoint: EndpointName::new("shop").expect("a name"),
        ..offer("other")
    };
    let absent = ask(&shop, &[("url", "NOWHERE")]).expect_err("not there");
    assert!(
        absent.contains("[endpoint.secrets] of the endpoint `shop`"),
        "{absent}"
    );
}

#[test]
fn what_looks_like_a_secret_is_no_name() {
    for good in ["A", "SLACK_WEBHOOK", "KEY_2"] {
        assert_eq!(name(good).to_string(), good);
    }
    let long = "A".repeat(MAX_NAME + 1);
    for bad in [
        "",
        "a",
        "2A",
        "_A",
        "A-B",
        "xoxb-12",
        "A B",
        "https://x",
        &long,
    ] {
        assert_eq!(SecretName::new(bad), Err(NoName), "{bad}");
    }
}

#[test]
fn a_secret_has_a_fair_length() {
    let known = |bytes: &[u8]| Known::new(Secret::new(bytes)).map(|_| ());
    assert_eq!(known(b"1234567"), Err(Unusable::Short));
    assert_eq!(known(b"        1"), Err(Unusable::Short));
    assert_eq!(known(b"12345678"), Ok(()));
    assert_eq!(known(b"\xff2345678"), Err(Unusable::NotText));
    assert_eq!(known(&[b'x'; MAX_SECRET]), Ok(()));
    assert_eq!(known(&[b'x'; MAX_SECRET + 1]), Err(Unusable::Long));
}

#[test]
fn debug_shows_names_only() {
    let offer = offer("slack");
    let given = ask(&offer, &[("url", "FOR_SLACK")]).expect("it is offered");
    let shown = format!("{offer:?} {given:?}");
    assert!(shown.contains("FOR_SLACK"), "{shown}");
    assert!(!shown.contains("slacks-own"), "{shown}");
}
