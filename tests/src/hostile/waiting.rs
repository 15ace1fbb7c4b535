//! Waiting for what never comes.

use super::text::{CONTRACT, WASI, wasi_handler};
use super::time::{CPU, looped, with_one_space};
use super::{Fate, Villain};
use crate::wat::World;

/// The reason of whoever uses up its time in all.
const WALL: Fate = Fate::Fails("wall-clock limit of");

pub(super) fn villains() -> Vec<Villain> {
    vec![
        Villain::text("sleep-for-ever", sleep, WALL),
        Villain::text("sleep-in-start", sleep_in_start, WALL),
        Villain::text("poll-for-ever", || poll(1), WALL),
        Villain::text("poll-one-thousands-of-times", || poll(4_000), WALL),
        Villain::text("poll-many", poll_many, WALL),
        Villain::text("poll-nothing", || poll(0), Fate::Fails("empty poll list")),
        Villain::text("poll-without-end", poll_without_end, CPU),
        Villain::text("read-closed-stdin-for-ever", read_stdin, CPU),
    ]
}

/// Longer than the universe.
const LONG: &str = "(i64.const -1)";

fn sleep() -> Vec<u8> {
    wasi_handler(
        "",
        &format!("(call $block (call $timer {LONG})) (i32.const 16)"),
    )
}

fn sleep_in_start() -> Vec<u8> {
    wasi_handler(
        &format!("(func $start (call $block (call $timer {LONG}))) (start $start)"),
        "(i32.const 16)",
    )
}

/// Polls a list that has one that is never ready so many times.
fn poll(times: u32) -> Vec<u8> {
    let body = format!(
        "(local $at i32) (local $timer i32)
        (local.set $timer (call $timer {LONG}))
        (local.set $at (i32.const 4096))
        (loop $more
          (i32.store (local.get $at) (local.get $timer))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br_if $more (i32.lt_u (local.get $at) (i32.const 24000))))
        (call $poll (i32.const 4096) (i32.const {times}) (i32.const 2048))
        (i32.const 16)"
    );
    wasi_handler("", &body)
}

fn poll_many() -> Vec<u8> {
    let body = format!(
        "(local $at i32)
        (local.set $at (i32.const 4096))
        (loop $more
          (i32.store (local.get $at) (call $timer {LONG}))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br_if $more (i32.lt_u (local.get $at) (i32.const 4496))))
        (call $poll (i32.const 4096) (i32.const 100) (i32.const 2048))
        (i32.const 16)"
    );
    wasi_handler("", &body)
}

/// Of what is always ready: the handler never waits, nor does it work.
fn poll_without_end() -> Vec<u8> {
    let body = looped("(call $poll (i32.const 4096) (i32.const 1) (i32.const 2048))");
    let body = format!("(i32.store (i32.const 4096) (call $timer (i64.const 0))) {body}");
    with_one_space(World::ChatPushWithWasi, &format!("{CONTRACT}{WASI}"), &body)
}

fn read_stdin() -> Vec<u8> {
    let body = looped("(call $read (local.get $event) (i64.const -1) (i32.const 2048))");
    wasi_handler("", &format!("(local.set $event (call $stdin)) {body}"))
}
