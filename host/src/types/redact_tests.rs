use super::*;

fn redactor(secrets: &[&str]) -> Redactor {
    let forms = |secret: &&str| Arc::new(Forms::of(secret).expect("few forms"));
    Redactor::new(secrets.iter().map(forms))
}

#[test]
fn a_secret_is_replaced_wherever_it_stands_and_the_rest_stays() {
    let redactor = redactor(&["s3cret-token"]);
    for (text, shown) in [
        ("", ""),
        ("nothing here", "nothing here"),
        ("s3cret-token", "[secret]"),
        (
            "a S3CRET-TOKEN, s3cret-tokens3cret-token.",
            "a [secret], [secret][secret].",
        ),
        ("s3cret-toke s3cret-token", "s3cret-toke [secret]"),
        ("ä s3cret-token ä", "ä [secret] ä"),
    ] {
        assert_eq!(redactor.text(text), shown);
    }
}

#[test]
fn common_encodings_are_recognised() {
    let secret = "pa/ss \"w\"\n+ürd?";
    let redactor = redactor(&[secret]);
    for written in [
        r#"{"a":"pa/ss \"w\"\n+ürd?"}"#,
        r#"{"a":"pa\/ss \"w\"\n+ürd?"}"#,
        "https://a.example/?q=pa%2Fss%20%22w%22%0A%2B%C3%BCrd%3F&x",
        "https://a.example/?q=pa%2fss%20%22w%22%0a%2b%c3%bcrd%3f&x",
        "q=pa%2Fss+%22w%22%0A%2B%C3%BCrd%3F",
        // "pa…", "x:pa…" and "user:pa…" by another program.
        "Basic cGEvc3MgInciCivDvHJkPw==",
        "Basic eDpwYS9zcyAidyIKK8O8cmQ/",
        "Basic dXNlcjpwYS9zcyAidyIKK8O8cmQ_",
        "70612f737320227722 0a2bc3bc72643f 70612f73732022772220a2bc3bc72643f 70612F7373202277220A2BC3BC72643F",
    ] {
        assert!(redactor.text(written).contains(MARK), "{written}");
    }
}

#[test]
fn what_other_languages_write_is_recognised_as_well() {
    let redactor = redactor(&["https://a.example/h?k=1&t=<ü𝄞>[x]"]);
    for written in [
        r#"{"a":"https://a.example/h?k=1\u0026t=\u003cü𝄞\u003e[x]"}"#,
        r#"{"a":"https://a.example/h?k=1&t=<\u00fc\ud834\udd1e>[x]"}"#,
        r#"{"a":"https:\/\/a.example\/h?k=1&t=<\u00fc\ud834\udd1e>[x]"}"#,
        "u=https%3A//a.example/h%3Fk%3D1%26t%3D%3C%C3%BC%F0%9D%84%9E%3E%5Bx%5D",
        "u=https://a.example/h?k=1&t=%3C%C3%BC%F0%9D%84%9E%3E%5Bx%5D",
    ] {
        let shown = redactor.text(written);
        assert!(shown.contains(MARK) && !shown.contains("k=1"), "{shown}");
        assert!(!shown.contains("%3D1"), "{shown}");
    }
}

#[test]
fn lines_of_a_secret_and_the_path_of_a_url_are_secrets_too() {
    let key = redactor(&["-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n  aaaabbbbcccc\nshort\n"]);
    assert_eq!(key.text("stdout: MIIEowIBAAKCAQEA"), "stdout: [secret]");
    assert_eq!(key.text("aaaabbbbcccc"), "[secret]");
    assert_eq!(key.text("short"), "short");
    let url = redactor(&["https://hooks.slack.com/services/T0/B0/xyz"]);
    assert_eq!(url.text("POST /services/T0/B0/xyz"), "POST [secret]");
    assert_eq!(
        url.text("https://hooks.slack.com/"),
        "https://hooks.slack.com/"
    );
}

#[test]
fn overlapping_secrets_leave_nothing_between_them() {
    let redactor = redactor(&["abcdefgh", "efghijkl", "cdefghij"]);
    assert_eq!(
        redactor.text("-abcdefghijkl-abcdefgh-"),
        "-[secret]-[secret]-"
    );
}

#[test]
fn a_text_never_grows() {
    let redactor = redactor(&["12345678"]);
    let text = "12345678".repeat(100);
    assert!(redactor.text(&text).len() <= text.len());
}

#[test]
fn a_cut_stands_beside_a_secret_and_never_within() {
    let redactor = redactor(&["s3cret-token"]);
    let text = b"before s3cret-token after";
    for (at, cut) in [(3, 3), (7, 7), (8, 7), (18, 7), (19, 19), (22, 22)] {
        assert_eq!(redactor.cut(text, at), cut, "at {at}");
    }
    assert_eq!(redactor.cut(b"s3cret-token after", 5), 12);
    assert_eq!(Redactor::default().cut(text, 9), 9);
}

#[test]
fn without_secrets_a_text_is_passed_on_as_it_is() {
    let text = "s3cret-token";
    assert!(matches!(Redactor::default().text(text), Cow::Borrowed(same) if same == text));
    assert_eq!(Redactor::default().longest(), 0);
}

#[test]
fn debug_shows_no_form() {
    let shown = format!("{:?}", redactor(&["s3cret-token"]));
    assert!(!shown.contains("s3cret"), "{shown}");
}
