//! What a handler hands to the host: too long, out of bounds, or asked for without
//! measure.

use super::text::{CONTRACT, WASI, handler, wasi_handler};
use super::time::{looped, with_one_space};
use super::{Fate, Villain};
use crate::wat::World;

/// What the host takes over in one call isn't the handler's memory, and bounded.
const TOO_MUCH: Fate = Fate::Fails("host-data limit of");
const OUTSIDE: Fate = Fate::Fails("out of bounds");

/// Enough for 128 MiB and some.
const ROOMY: &str = "[limits]\nmemory = \"256MiB\"\n";

pub(super) fn villains() -> Vec<Villain> {
    let random = Fate::Fails("18446744073709551615");
    vec![
        Villain::text("log-of-128-mib", log_of_128_mib, TOO_MUCH).on_host(ROOMY),
        Villain::text("context-of-128-mib", context_of_128_mib, TOO_MUCH).on_host(ROOMY),
        Villain::text("value-of-128-mib", value_of_128_mib, TOO_MUCH).on_host(ROOMY),
        Villain::text("body-of-128-mib", body_of_128_mib, TOO_MUCH).on_host(ROOMY),
        Villain::text("reason-of-128-mib", reason_of_128_mib, TOO_MUCH).on_host(ROOMY),
        Villain::text(
            "reason-of-15-mib",
            reason_of_15_mib,
            Fate::Rejects("(cut: 15728640 bytes in all)"),
        ),
        Villain::text("millions-of-keys", millions_of_keys, TOO_MUCH).on_host(ROOMY),
        Villain::text("millions-of-headers", millions_of_headers, TOO_MUCH).on_host(ROOMY),
        Villain::text(
            "log-at-no-level",
            || {
                handler(
                    "",
                    "(call $log (i32.const 99) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 16)",
                )
            },
            Fate::Fails("unexpected discriminant: 99"),
        ),
        Villain::text("log-out-of-bounds", || log_of("65536", "-65536"), OUTSIDE),
        Villain::text("log-of-4-gib", || log_of("0", "-1"), OUTSIDE),
        Villain::text("list-of-4-gib", list_of_4_gib, OUTSIDE),
        Villain::text("random-of-u64-max", || random_of("-1"), random),
        Villain::text("insecure-random-of-u64-max", insecure_random, random),
        // Of CPU time or of random bytes, whichever comes first.
        Villain::text("random-for-ever", random_for_ever, Fate::Fails("limit of")),
        Villain::text(
            "stdout-of-4-mib-at-once",
            stdout_at_once,
            Fate::Fails("exceeded the stream's permit"),
        ),
        Villain::text("zeroes-of-u64-max", zeroes, Fate::Fails("zeroes")),
    ]
}

/// With room for 128 MiB that nobody has written to, above what the host has: `LARGE`.
fn large(body: &str) -> Vec<u8> {
    let grow = "(if (i32.eq (memory.grow (i32.const 2048)) (i32.const -1)) (then unreachable))";
    handler(
        r#"(data (i32.const 4096) "POST") (data (i32.const 4112) "https://a.example/?q")"#,
        &format!("{grow} {body}"),
    )
}

const LARGE: &str = "(i32.const 131072) (i32.const 134217728)";

fn log_of_128_mib() -> Vec<u8> {
    large(&format!("(call $say {LARGE}) (i32.const 16)"))
}

fn context_of_128_mib() -> Vec<u8> {
    large(&format!(
        "(call $log (i32.const 2) {LARGE} (i32.const 0) (i32.const 0)) (i32.const 16)"
    ))
}

fn value_of_128_mib() -> Vec<u8> {
    large(&format!(
        "(call $set (call $bucket) (i32.const 1024) (i32.const 1) {LARGE} (i32.const 2048))
        (call $refused)"
    ))
}

fn body_of_128_mib() -> Vec<u8> {
    large(&format!(
        "(call $send (i32.const 4096) (i32.const 4) (i32.const 4112) (i32.const 20)
          (i32.const 0) (i32.const 0) {LARGE} (i32.const 2048))
        (call $refused)"
    ))
}

fn reason_of_128_mib() -> Vec<u8> {
    large(&format!("(call $reject {LARGE})"))
}

/// As much as the host takes.
fn reason_of_15_mib() -> Vec<u8> {
    handler(
        "",
        "(drop (memory.grow (i32.const 300)))
        (memory.fill (i32.const 65536) (i32.const 120) (i32.const 15728640))
        (call $reject (i32.const 65536) (i32.const 15728640))",
    )
}

/// Empty ones: eight bytes of the handler's make more than that of the host's.
fn millions_of_keys() -> Vec<u8> {
    large(
        "(call $get_many (call $bucket) (i32.const 131072) (i32.const 16777216) (i32.const 2048))
        (call $refused)",
    )
}

fn millions_of_headers() -> Vec<u8> {
    large(
        "(call $send (i32.const 4096) (i32.const 4) (i32.const 4112) (i32.const 20)
          (i32.const 131072) (i32.const 8388608) (i32.const 0) (i32.const 0) (i32.const 2048))
        (call $refused)",
    )
}

fn log_of(at: &str, length: &str) -> Vec<u8> {
    handler(
        "",
        &format!("(call $say (i32.const {at}) (i32.const {length})) (i32.const 16)"),
    )
}

/// Whose length in bytes doesn't fit 32 bits.
fn list_of_4_gib() -> Vec<u8> {
    handler(
        "",
        "(call $get_many (call $bucket) (i32.const 65536) (i32.const -1) (i32.const 2048))
        (i32.const 16)",
    )
}

fn random_of(length: &str) -> Vec<u8> {
    wasi_handler(
        "",
        &format!("(call $random (i64.const {length}) (i32.const 2048)) (i32.const 16)"),
    )
}

fn insecure_random() -> Vec<u8> {
    wasi_handler(
        "",
        "(call $insecure (i64.const -1) (i32.const 2048)) (i32.const 16)",
    )
}

fn random_for_ever() -> Vec<u8> {
    let body = looped("(call $random (i64.const 65536) (i32.const 2048))");
    with_one_space(World::ChatPushWithWasi, &format!("{CONTRACT}{WASI}"), &body)
}

/// In one line.
fn stdout_at_once() -> Vec<u8> {
    let body = "(drop (memory.grow (i32.const 80)))
        (call $write (call $stdout) (i32.const 65536) (i32.const 4194304) (i32.const 2048))
        (i32.const 16)";
    wasi_handler("", body)
}

fn zeroes() -> Vec<u8> {
    let body = "(call $write_zeroes (call $stdout) (i64.const -1) (i32.const 2048))
        (i32.const 16)";
    wasi_handler("", body)
}
