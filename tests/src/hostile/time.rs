//! Time: loops without end, in all places where a component's code runs, and around
//! all that the host does at once.

use super::text::{handler, wasi_handler, with_answers};
use super::{Fate, Villain};
use crate::wat::{Parts, World};

/// The reason of whoever uses up its CPU time.
pub(super) const CPU: Fate = Fate::Fails("CPU limit of");

pub(super) fn villains() -> Vec<Villain> {
    vec![
        Villain::text("loop-in-handler", || forever("(nop)"), CPU),
        Villain::text("loop-in-start", loop_in_start, CPU),
        Villain::text("loop-in-realloc", loop_in_realloc, CPU),
        Villain::text("loop-in-post-return", loop_in_post_return, CPU),
        Villain::text("loop-of-memory-fill", loop_of_fills, CPU),
        Villain::text("loop-of-memory-copy", loop_of_copies, CPU),
        Villain::text("loop-of-table-fill", loop_of_table_fills, CPU),
        Villain::rust("read-config-for-ever", CPU),
        Villain::text("loop-of-filtered-logs", loop_of_logs, CPU),
        Villain::text("straight-line-of-calls", straight_line_of_calls, CPU),
        Villain::text("loop-of-reads", loop_of_reads, CPU),
        Villain::text("loop-of-counts", loop_of_counts, CPU),
        Villain::text("loop-of-clock-reads", loop_of_clock_reads, CPU),
    ]
}

/// Does this again and again.
fn forever(what: &str) -> Vec<u8> {
    handler("", &looped(what))
}

pub(super) fn looped(what: &str) -> String {
    format!("(loop $again {what} (br $again)) (i32.const 16)")
}

fn loop_in_start() -> Vec<u8> {
    handler(
        "(func $spin (loop $again (br $again))) (start $spin)",
        "(i32.const 16)",
    )
}

/// The host calls it for the space of the event.
fn loop_in_realloc() -> Vec<u8> {
    Parts {
        realloc: "(loop $again (br $again)) (i32.const 65536)",
        ..Parts::new(World::ChatPush)
    }
    .component("(i32.const 16)")
}

fn loop_in_post_return() -> Vec<u8> {
    handler(
        r#"(func (export "cabi_post_hookbox:plugin/on-chat-push@0.1.0#handle") (param i32)
            (loop $again (br $again)))"#,
        "(i32.const 16)",
    )
}

/// A single instruction over as much memory as there may be.
fn bulk(instruction: &str) -> Vec<u8> {
    let body = looped(instruction);
    handler("", &format!("(drop (memory.grow (i32.const 1000))) {body}"))
}

fn loop_of_fills() -> Vec<u8> {
    bulk("(memory.fill (i32.const 65536) (i32.const 1) (i32.const 65536000))")
}

fn loop_of_copies() -> Vec<u8> {
    bulk("(memory.copy (i32.const 65536) (i32.const 65600) (i32.const 65535936))")
}

fn loop_of_table_fills() -> Vec<u8> {
    handler(
        "(table $t 99000 funcref)",
        &looped("(table.fill $t (i32.const 0) (ref.null func) (i32.const 99000))"),
    )
}

/// At the level that the host's log leaves out.
fn loop_of_logs() -> Vec<u8> {
    forever("(call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 1))")
}

/// No loop, where compiled code asks for the time, and the host copies 15 MiB for each
/// call.
fn straight_line_of_calls() -> Vec<u8> {
    let call = "(call $log (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 4194304) (i32.const 15728640)) ";
    let grow = "(drop (memory.grow (i32.const 400))) ";
    handler("", &format!("{grow}{}(i32.const 16)", call.repeat(10_000)))
}

fn loop_of_reads() -> Vec<u8> {
    let read =
        looped("(call $get (local.get $event) (i32.const 1024) (i32.const 1) (i32.const 2048))");
    handler("", &format!("(local.set $event (call $bucket)) {read}"))
}

fn loop_of_counts() -> Vec<u8> {
    forever("(call $add (i32.const 1024) (i32.const 1) (i64.const 1))")
}

fn loop_of_clock_reads() -> Vec<u8> {
    wasi_handler("", &looped("(drop (call $now))"))
}

/// A `cabi_realloc` that hands out the same space each time, for those who would
/// otherwise run out of memory first.
pub(super) fn with_one_space(world: World, imports: &str, body: &str) -> Vec<u8> {
    Parts {
        imports,
        pages: "4",
        realloc: "(i32.const 65536)",
        items: &with_answers(""),
        ..Parts::new(world)
    }
    .component(body)
}
