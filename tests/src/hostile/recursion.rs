//! Recursion: the end of the stack, reached within the handler and within calls of
//! the host. A host function that outgrows its own part of the stack would end the
//! process.

use super::text::{CONTRACT, WASI, handler, http_handler};
use super::time::with_one_space;
use super::{Fate, Villain};
use crate::wat::{Parts, World};

const STACK: Fate = Fate::Fails("stack limit exceeded");

pub(super) fn villains() -> Vec<Villain> {
    vec![
        Villain::text("recursion", || handler("", &deep(1)), STACK),
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

/// With some values that are still needed after the call: so the stack ends after a
/// thousand calls or so, and not after ten times as many.
fn again(what: &str) -> String {
    format!("{what} {}", deep(100))
}

/// Calls the handler, with so many values in the frame.
fn deep(values: usize) -> String {
    let load = |value| format!("(i32.load (i32.const {}))", value * 4);
    let push: String = (0..values).map(load).collect();
    let sum = "i32.add ".repeat(values);
    format!("{push} (call $handle (local.get $event)) {sum}")
}

fn of_two() -> Vec<u8> {
    handler(
        "(func $other (result i32) (i32.add (call $handle (i32.const 0)) (i32.const 1)))",
        "(i32.add (call $other) (i32.const 1))",
    )
}

fn in_large_frames() -> Vec<u8> {
    handler("", &deep(1_000))
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

/// With a method and a URL that are refused.
fn into_outbox() -> Vec<u8> {
    let send = again(
        "(call $send (i32.const 1032) (i32.const 7) (i32.const 1032) (i32.const 7)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))",
    );
    with_one_space(World::ChatPush, CONTRACT, &send)
}

fn into_wasi() -> Vec<u8> {
    let call = again(
        "(local.set $event (call $stdout))
        (call $write (local.get $event) (i32.const 1032) (i32.const 19) (i32.const 2048))
        (call $drop_output (local.get $event))
        (call $random (i64.const 1) (i32.const 2048))
        (local.set $event (call $timer (i64.const 0)))
        (call $block (local.get $event))
        (call $drop_pollable (local.get $event))",
    );
    let imports = format!("{CONTRACT}{WASI}");
    with_one_space(World::ChatPushWithWasi, &imports, &call)
}

/// With a name that no header has.
fn into_fields() -> Vec<u8> {
    let items = "(global $f (mut i32) (i32.const 0))";
    let call = again(
        "(if (i32.eqz (global.get $f)) (then (global.set $f (call $fields))))
        (call $append (global.get $f) (i32.const 1032) (i32.const 19) (i32.const 0) (i32.const 0)
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
