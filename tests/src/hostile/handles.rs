//! Handles: floods of them, and those that the handler doesn't have.

use super::text::{handler, http_handler, wasi_handler};
use super::time::looped;
use super::{Fate, Villain};

const REFUSED: Fate = Fate::Rejects("limit of 128 buckets and cas handles");
const UNKNOWN: Fate = Fate::Fails("unknown handle index");

pub(super) fn villains() -> Vec<Villain> {
    let full = Fate::Fails("handle limit of");
    vec![
        Villain::text("flood-of-pollables", flood_of_pollables, full),
        Villain::text("flood-of-streams", flood_of_streams, full),
        Villain::text("flood-of-fields", flood_of_fields, full),
        Villain::text("flood-of-buckets", flood_of_buckets, REFUSED),
        Villain::text("flood-of-swaps", flood_of_swaps, REFUSED),
        Villain::text("flood-of-sockets", flood_of_sockets, Fate::Ends),
        Villain::text("handle-dropped-twice", dropped_twice, UNKNOWN),
        Villain::text("handle-used-after-drop", used_after_drop, UNKNOWN),
        Villain::text("handle-used-after-swap", used_after_swap, UNKNOWN),
        Villain::text("handle-made-up", made_up, UNKNOWN),
        Villain::text(
            "handle-of-another-kind",
            of_another_kind,
            Fate::Fails("used with the wrong type"),
        ),
        Villain::text(
            "stream-dropped-before-its-pollable",
            parent_first,
            Fate::Fails("resource has children"),
        ),
    ]
}

fn flood_of_pollables() -> Vec<u8> {
    wasi_handler("", &looped("(drop (call $timer (i64.const 0)))"))
}

fn flood_of_streams() -> Vec<u8> {
    wasi_handler("", &looped("(drop (call $stdout))"))
}

fn flood_of_fields() -> Vec<u8> {
    http_handler("", &looped("(drop (call $fields))"))
}

fn flood_of_buckets() -> Vec<u8> {
    let body = "(loop $again (drop (call $bucket)) (br_if $again (i32.eqz (call $is_refused))))
        (call $refused)";
    handler("", body)
}

fn flood_of_swaps() -> Vec<u8> {
    let body = "(local.set $event (call $bucket))
        (loop $again
          (call $cas (local.get $event) (i32.const 1024) (i32.const 1) (i32.const 2048))
          (br_if $again (i32.eqz (call $is_refused))))
        (call $refused)";
    handler("", body)
}

/// Each is refused, before there is one.
fn flood_of_sockets() -> Vec<u8> {
    let body = "(local $left i32)
        (local.set $left (i32.const 5000))
        (loop $again
          (call $socket (i32.const 0) (i32.const 2048))
          (if (i32.eqz (call $is_refused)) (then unreachable))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 16)";
    wasi_handler("", body)
}

fn dropped_twice() -> Vec<u8> {
    let body = "(local.set $event (call $bucket))
        (call $drop_bucket (local.get $event))
        (call $drop_bucket (local.get $event))
        (i32.const 16)";
    handler("", body)
}

fn used_after_drop() -> Vec<u8> {
    let body = "(local.set $event (call $bucket))
        (call $drop_bucket (local.get $event))
        (call $get (local.get $event) (i32.const 1024) (i32.const 1) (i32.const 2048))
        (i32.const 16)";
    handler("", body)
}

/// The host has taken it with the first swap.
fn used_after_swap() -> Vec<u8> {
    let body = "(call $cas (call $bucket) (i32.const 1024) (i32.const 1) (i32.const 2048))
        (local.set $event (i32.load (i32.const 2052)))
        (call $swap (local.get $event) (i32.const 1024) (i32.const 1) (i32.const 2048))
        (call $swap (local.get $event) (i32.const 1024) (i32.const 1) (i32.const 2048))
        (i32.const 16)";
    handler("", body)
}

fn made_up() -> Vec<u8> {
    let body = "(call $get (i32.const 123456) (i32.const 1024) (i32.const 1) (i32.const 2048))
        (i32.const 16)";
    handler("", body)
}

fn of_another_kind() -> Vec<u8> {
    let body = "(call $cas (call $bucket) (i32.const 1024) (i32.const 1) (i32.const 2048))
        (call $get (i32.load (i32.const 2052)) (i32.const 1024) (i32.const 1) (i32.const 2048))
        (i32.const 16)";
    handler("", body)
}

fn parent_first() -> Vec<u8> {
    let body = "(local.set $event (call $stdout))
        (drop (call $subscribe (local.get $event)))
        (call $drop_output (local.get $event))
        (i32.const 16)";
    wasi_handler("", body)
}
