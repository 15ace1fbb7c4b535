//! Entries and counters: past each limit.

use super::text::handler;
use super::time::{CPU, looped};
use super::{Fate, Villain};

pub(super) fn villains() -> Vec<Villain> {
    vec![
        refused(
            "key-of-1025-bytes",
            "a key has 1 to 1024 bytes, and this one has 1025",
        ),
        refused(
            "key-of-nothing",
            "a key has 1 to 1024 bytes, and this one has 0",
        ),
        refused(
            "bucket-of-257-bytes",
            "a bucket's name has 1 to 256 bytes, and this one has 257",
        ),
        refused(
            "value-past-its-limit",
            "a value has a limit of 65536 bytes, and this one has 65537",
        ),
        refused(
            "writes-past-their-limit",
            "the writes of one attempt have a limit of 4194304 bytes",
        ),
        refused(
            "more-than-the-plugin-may-have",
            "the entries of this plugin have a limit of 131072 bytes",
        )
        .limited("kv_total = \"128KiB\""),
        refused(
            "increment-of-a-word",
            "the value of \"k\" is no decimal number of 64 bits",
        ),
        refused(
            "increment-past-the-end",
            "it would leave the range of 64 bits",
        ),
        Villain::text(
            "read-too-much-at-once",
            || read(300),
            Fate::Rejects("one call returns values up to a limit of 16777216 bytes"),
        ),
        Villain::text(
            "read-more-than-there-is-space-for",
            || read(200),
            Fate::Fails("beyond end of memory"),
        ),
        Villain::rust(
            "write-257-keys",
            Fate::Fails("limit of 256 written keys exceeded"),
        ),
        Villain::text(
            "read-10001-keys",
            read_keys,
            Fate::Fails("key-value limit of 10000 keys exceeded"),
        ),
        Villain::rust("conflict-storm", Fate::Ends).allowed("ordering = \"none\""),
        Villain::text("list-for-ever", list_for_ever, CPU),
        Villain::rust(
            "counters-past-their-limit",
            Fate::Fails("limit of 1000 counters exceeded"),
        ),
        Villain::rust("counter-past-the-end", Fate::Ends),
        Villain::rust(
            "counter-of-257-bytes",
            Fate::Fails("a counter's name has 1 to 256 bytes"),
        ),
    ]
}

/// One of the fixture's that the host refuses with this text.
fn refused(name: &'static str, why: &'static str) -> Villain {
    Villain::rust(name, Fate::Rejects(why))
}

/// The same page.
fn list_for_ever() -> Vec<u8> {
    let body = looped(
        "(call $list (local.get $event) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))",
    );
    handler("", &format!("(local.set $event (call $bucket)) {body}"))
}

/// One value of 64 KiB, so many times in one call.
fn read(times: u32) -> Vec<u8> {
    let body = format!(
        "(local $at i32)
        (local.set $event (call $bucket))
        (call $set (local.get $event) (i32.const 1024) (i32.const 1)
          (i32.const 65536) (i32.const 65536) (i32.const 2048))
        (local.set $at (i32.const 4096))
        (loop $again
          (i32.store (local.get $at) (i32.const 1024))
          (i32.store offset=4 (local.get $at) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br_if $again (i32.lt_u (local.get $at) (i32.const 8192))))
        (call $get_many (local.get $event) (i32.const 4096) (i32.const {times}) (i32.const 2048))
        (call $refused)"
    );
    handler("", &body)
}

/// In one call: decimal numbers of five places.
fn read_keys() -> Vec<u8> {
    let digit = |place: u32, divisor: u32| {
        format!(
            "(i32.store8 offset={place} (local.get $text) (i32.add (i32.const 48)
              (i32.rem_u (i32.div_u (local.get $n) (i32.const {divisor})) (i32.const 10))))"
        )
    };
    let digits: String = [10_000, 1_000, 100, 10, 1]
        .into_iter()
        .zip(0..)
        .map(|(divisor, place)| digit(place, divisor))
        .collect();
    let body = format!(
        "(local $n i32) (local $text i32) (local $at i32)
        (drop (memory.grow (i32.const 3)))
        (loop $again
          (local.set $text (i32.add (i32.const 65536) (i32.mul (local.get $n) (i32.const 8))))
          (local.set $at (i32.add (i32.const 163840) (i32.mul (local.get $n) (i32.const 8))))
          {digits}
          (i32.store (local.get $at) (local.get $text))
          (i32.store offset=4 (local.get $at) (i32.const 5))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 10001))))
        (call $get_many (call $bucket) (i32.const 163840) (i32.const 10001) (i32.const 2048))
        (call $refused)"
    );
    handler("", &body)
}
