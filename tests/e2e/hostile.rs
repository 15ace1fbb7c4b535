//! A plugin harms only itself: its attempts end with a clear reason, and another
//! plugin goes on handling events.

use hookbox_testkit::log::{field, message};
use hookbox_testkit::wat::{self, World};

use crate::support::{host_with, said};

/// Runs `bad` beside a good plugin and returns the reason of its failed attempt.
fn reason_beside_a_good_plugin(bad: &[u8], limits: &str) -> String {
    let host = host_with("");
    host.manifest("bad", limits);
    host.install("bad", bad);
    host.install("good", &wat::logs(World::ChatPush, "fine"));
    host.post_chat("s", "first");
    let failed = host.log.wait("a failed attempt", |line| {
        field(line, "plugin") == "bad" && message(line).starts_with("attempt failed")
    });
    host.post_chat("s", "second");
    host.log
        .wait_count("the good plugin's lines", 2, said("good", "fine"));
    message(&failed).to_owned()
}

#[test]
fn an_endless_loop_ends_at_the_cpu_limit() {
    let reason =
        reason_beside_a_good_plugin(&wat::loops(World::ChatPush), "[limits]\ncpu = \"50ms\"\n");
    assert!(reason.contains("CPU limit of 50 ms exceeded"), "{reason}");
}

#[test]
fn an_allocation_of_4_gib_ends_at_the_memory_limit() {
    let reason = reason_beside_a_good_plugin(&wat::grows(World::ChatPush), "");
    assert!(
        reason.contains("memory limit of 67108864 bytes exceeded"),
        "{reason}"
    );
}

#[test]
fn unbounded_recursion_ends_at_the_stack_limit() {
    let reason = reason_beside_a_good_plugin(&wat::recurses(World::ChatPush), "");
    assert!(reason.contains("stack limit exceeded"), "{reason}");
}

#[test]
fn a_trap_ends_the_attempt() {
    let reason = reason_beside_a_good_plugin(&wat::traps(World::ChatPush), "");
    assert!(reason.contains("trapped"), "{reason}");
}

#[test]
fn a_huge_reason_full_of_newlines_is_one_short_line() {
    // The result: err, retry, and the text's pointer and length.
    let body = "(drop (memory.grow (i32.const 160)))
        (memory.fill (i32.const 131072) (i32.const 10) (i32.const 8388608))
        (i32.store (i32.const 16) (i32.const 1))
        (i32.store (i32.const 32) (i32.const 131072))
        (i32.store (i32.const 36) (i32.const 8388608))
        (i32.const 16)";
    let reason = reason_beside_a_good_plugin(&wat::plugin(World::ChatPush, "", body), "");
    assert!(reason.contains("\\u{a}\\u{a}"), "{reason}");
    assert!(
        reason.ends_with("(cut: 8388608 bytes in all)"),
        "{} bytes",
        reason.len()
    );
    assert!(reason.len() < 3 << 10, "{} bytes", reason.len());
}
