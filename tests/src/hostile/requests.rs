//! Requests that can't be sent, and headers without end.

use super::text::http_handler;
use super::{Fate, Villain};

/// What those that would be good may be sent to.
const ALLOW: &str = "[http]\nallow = [\"https://a.example\"]\n";

const FIELDS: Fate = Fate::Fails("http-fields limit of");

pub(super) fn villains() -> Vec<Villain> {
    vec![
        refused("request-to-nowhere", "a.example").allowed(""),
        refused("requests-past-their-limit", "a limit of 16 outbox requests"),
        refused(
            "request-body-past-its-limit",
            "the body of an outbox request: limit of 1048576",
        ),
        refused(
            "request-of-65-headers",
            "the number of headers of an outbox request: limit of 64",
        ),
        refused(
            "request-of-long-headers",
            "the headers of an outbox request: limit of 16384",
        ),
        refused(
            "request-of-a-long-url",
            "the URL of an outbox request: limit of 8192",
        ),
        refused(
            "request-with-a-second-header-in-one",
            "holds a control character",
        ),
        refused("request-with-a-line-in-its-url", "the URL is malformed"),
        refused(
            "request-with-a-line-in-its-method",
            "is no method that can be sent",
        ),
        refused("request-of-a-file", "the URL is malformed"),
        refused("request-with-a-reserved-header", "is set by the host"),
        Villain::text("flood-of-headers", || headers(10, 100_000), FIELDS),
        Villain::text("flood-of-long-headers", || headers(10_000_000, 100), FIELDS),
    ]
}

/// One of the fixture's that the host refuses with this text.
fn refused(name: &'static str, why: &'static str) -> Villain {
    Villain::rust(name, Fate::Rejects(why)).allowed(ALLOW)
}

/// Adds so many headers of that length to one set.
fn headers(length: u32, count: u32) -> Vec<u8> {
    let body = format!(
        "(local $left i32) (local $fields i32)
        (drop (memory.grow (i32.const 200)))
        (memory.fill (i32.const 65536) (i32.const 120) (i32.const {length}))
        (local.set $fields (call $fields))
        (local.set $left (i32.const {count}))
        (loop $again
          (call $append (local.get $fields) (i32.const 1024) (i32.const 1)
            (i32.const 65536) (i32.const {length}) (i32.const 2048))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 16)"
    );
    http_handler("", &body)
}
