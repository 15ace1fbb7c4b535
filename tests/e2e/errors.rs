//! What isn't an event is refused with a code and a message; everything else is
//! answered 200.

use hookbox_testkit::samples;

use crate::support::{host, host_with};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn every_sample_is_answered_with_exactly_200_and_the_status_body() {
    let host = host();
    for entry in std::fs::read_dir(samples::folder()).expect("samples") {
        let path = entry.expect("an entry").path();
        let answer = host.post(&std::fs::read(&path).expect("a sample"));
        assert_eq!(answer.status, 200, "{}", path.display());
        assert_eq!(answer.body, r#"{"status":"ok"}"#);
    }
}

#[test]
fn what_is_no_event_is_refused_with_a_code_and_the_host_goes_on() {
    let host = host();
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!(r#"{{"event_type":"test","data":{deep}}}"#);
    let large = format!(
        r#"{{"event_type":"test","data":"{}"}}"#,
        "x".repeat(10 << 20)
    );
    let cases: [(&[u8], u16); 6] = [
        (br#"{"event_type": "room.join", "#, 400),
        (br#"{"agent_id":"A","data":{}}"#, 400),
        (b"{\"event_type\":\"\xff\"}", 400),
        (b"[1,2]", 400),
        (deep.as_bytes(), 400),
        (large.as_bytes(), 413),
    ];
    for (body, status) in cases {
        let answer = host.post(body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        let error = &answer.json()["error"];
        assert!(
            error["code"].as_str().is_some_and(|code| !code.is_empty()),
            "{shown}"
        );
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{shown}"
        );
    }
    let answer = host.post_with(
        &[("content-type", "text/plain")],
        br#"{"event_type":"test"}"#,
    );
    assert_eq!(answer.status, 415, "{}", answer.body);
    let answer = host.post_with(&[JSON], br#"{"event_type":"test"}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_missing_content_type_is_taken_as_json() {
    let answer = host().post_with(&[], br#"{"event_type":"test"}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn with_authentication_only_who_knows_the_secret_gets_in() {
    let secret = tempfile_with("s3cret");
    let config = format!(
        "[[auth]]\ntype = \"header\"\nname = \"X-API-Key\"\nsecret = \"file:{}\"\n",
        secret.path().display()
    );
    let host = host_with(&config);
    let body = samples::chat("s", "hi");
    assert_eq!(host.post_with(&[JSON], body.as_bytes()).status, 401);
    let wrong = host.post_with(&[JSON, ("x-api-key", "s3cre7")], body.as_bytes());
    assert_eq!(wrong.status, 401);
    assert!(!wrong.body.contains("s3cret"));
    let right = host.post_with(&[JSON, ("x-api-key", "s3cret")], body.as_bytes());
    assert_eq!(right.status, 200, "{}", right.body);
}

#[test]
fn the_same_body_twice_is_one_event() {
    let host = host();
    let body = samples::chat("s", "once");
    assert_eq!(
        host.post(body.as_bytes()).header("hookbox-duplicate-of"),
        None
    );
    let again = host.post(body.as_bytes());
    assert_eq!(again.status, 200);
    assert!(again.header("hookbox-duplicate-of").is_some());
}

fn tempfile_with(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(file.path(), content).expect("written");
    file
}
