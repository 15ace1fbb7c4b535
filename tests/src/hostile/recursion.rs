//! Recursion: the end of the stack, reached within the handler and within calls of
//! the host. A host function that outgrows its own part of the stack would end the
//! process.

use super::text::{handler, http_handler, wasi_handler};
use super::{Fate, Villain};
use crate::wat::{Parts, World};

const STACK: Fate = Fate::Fails("stack limit exceeded");

pub(super) fn villains() -> Vec<Villain> {
    vec![
        Villain::text("recursion", || deeper(""), STACK),
        Villain::text("recursion-of-two", of_two, STACK),
        Villain::text("recursion-in-large-frames", in_large_frames, STACK),
        Villain::text("recursion-in-realloc", in_realloc, STACK),
        Villain::text("recursion-into-log", into_log, STACK),
        Villain::text("recursion-into-reads", into_reads, STACK),
        Villain::text("recursion-into-outbox", into_outbox, STACK),
        Villain::text("recursion-into-wasi", into_wasi, STACK),
        Villain::text("recursion-into-fields", into_fields, STACK),
        Villain::text(
            "realloc-calls-the-host",
            realloc_calls_the_host,
            Fate::Fails("cannot leave component instance"),
        ),
    ]
}

/// Calls itself after this.
fn deeper(what: &str) -> Vec<u8> {
    handler("", &again(what))
}

/// No call in the last place, which would need no stack.
fn again(what: &str) -> String {
    format!("{what} (i32.add (call $handle (local.get $event)) (i32.const 1))")
}

fn of_two() -> Vec<u8> {
    handler(
        "(func $other (result i32) (i32.add (call $handle (i32.const 0)) (i32.const 1)))",
        "(i32.add (call $other) (i32.const 1))",
    )
}

/// Each with a thousand values that are still needed after the call.
fn in_large_frames() -> Vec<u8> {
    let values = 0..1_000;
    let push: String = values
        .clone()
        .map(|value| format!("(i32.load (i32.const {}))", value * 4))
        .collect();
    let sum = "i32.add\n".repeat(values.len());
    handler(
        "",
        &format!("{push} (call $handle (local.get $event)) {sum}"),
    )
}

fn in_realloc() -> Vec<u8> {
    Parts {
        realloc: "(call $deeper)",
        items: "(func $deeper (result i32) (i32.add (call $deeper) (i32.const 1)))",
        ..Parts::new(World::ChatPush)
    }
    .component("(i32.const 16)")
}

fn into_log() -> Vec<u8> {
    deeper("(call $say (i32.const 1032) (i32.const 19))")
}

/// Asks the store only once, and the attempt's own memory then.
fn into_reads() -> Vec<u8> {
    let items = "(global $b (mut i32) (i32.const 0))";
    let read = again(
        "(if (i32.eqz (global.get $b)) (then (global.set $b (call $bucket))))
        (call $get (global.get $b) (i32.const 1024) (i32.const 1) (i32.const 2048))
        (call $list (global.get $b) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))",
    );
    handler(items, &read)
}

/// With a URL that is parsed, and refused.
fn into_outbox() -> Vec<u8> {
    let items = r#"(data (i32.const 4096) "POST") (data (i32.const 4112) "https://a.example/?q")"#;
    let send = again(
        "(call $send (i32.const 4096) (i32.const 4) (i32.const 4112) (i32.const 20)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))",
    );
    handler(items, &send)
}

fn into_wasi() -> Vec<u8> {
    let items = "(global $out (mut i32) (i32.const 0))";
    let call = again(
        "(if (i32.eqz (global.get $out)) (then (global.set $out (call $stdout))))
        (call $write (global.get $out) (i32.const 1032) (i32.const 19) (i32.const 2048))
        (call $random (i64.const 1) (i32.const 2048))
        (local.set $event (call $timer (i64.const 0)))
        (call $block (local.get $event))
        (call $drop_pollable (local.get $event))",
    );
    wasi_handler(items, &call)
}

fn into_fields() -> Vec<u8> {
    let items = r#"(global $f (mut i32) (i32.const 0)) (data (i32.const 4096) "a")"#;
    let call = again(
        "(if (i32.eqz (global.get $f)) (then (global.set $f (call $fields))))
        (call $append (global.get $f) (i32.const 4096) (i32.const 1) (i32.const 0) (i32.const 0)
          (i32.const 2048))",
    );
    http_handler(items, &call)
}

/// While the host hands over what it returns.
fn realloc_calls_the_host() -> Vec<u8> {
    Parts {
        realloc: "(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
            (i32.const 65536)",
        ..Parts::new(World::ChatPush)
    }
    .component("(i32.const 16)")
}
