//! Ends that are no answer.

use super::text::{handler, wasi_handler};
use super::{Fate, Villain};

pub(super) fn villains() -> Vec<Villain> {
    vec![
        Villain::text("trap", || trap("unreachable"), Fate::Fails("`unreachable`")),
        Villain::text(
            "trap-in-start",
            || handler("(func $start unreachable) (start $start)", "(i32.const 16)"),
            Fate::Fails("`unreachable`"),
        ),
        Villain::text(
            "trap-in-post-return",
            in_post_return,
            Fate::Fails("`unreachable`"),
        ),
        Villain::text(
            "division-by-zero",
            || trap("(i32.div_u (i32.const 1) (i32.load (i32.const 4096)))"),
            Fate::Fails("integer divide by zero"),
        ),
        Villain::text(
            "division-past-the-end",
            || trap("(i32.div_s (i32.const -2147483648) (i32.const -1))"),
            Fate::Fails("integer overflow"),
        ),
        Villain::text(
            "read-out-of-bounds",
            || trap("(i32.load offset=4294967295 (i32.const -1))"),
            Fate::Fails("out of bounds memory access"),
        ),
        Villain::text(
            "call-of-nothing",
            || called("(i32.const 0)"),
            Fate::Fails("uninitialized element"),
        ),
        Villain::text(
            "call-of-another-type",
            || called("(i32.const 1)"),
            Fate::Fails("indirect call type mismatch"),
        ),
        Villain::text(
            "call-past-the-table",
            || called("(i32.const -1)"),
            Fate::Fails("undefined element"),
        ),
        Villain::text("exit-well", || exit("0"), Fate::Fails("called exit(0)")),
        Villain::text("exit-badly", || exit("1"), Fate::Fails("called exit(1)")),
        Villain::text(
            "exit-in-start",
            exit_in_start,
            Fate::Fails("called exit(1)"),
        ),
        Villain::rust("panic-at-length", Fate::Fails("`unreachable`")).saying("log limit of"),
    ]
}

fn trap(body: &str) -> Vec<u8> {
    handler("", body)
}

fn in_post_return() -> Vec<u8> {
    handler(
        r#"(func (export "cabi_post_hookbox:plugin/on-chat-push@0.1.0#handle") (param i32)
            unreachable)"#,
        "(i32.const 16)",
    )
}

/// Calls what stands there in a table.
fn called(at: &str) -> Vec<u8> {
    let items = "(table $t 2 funcref) (elem (table $t) (i32.const 1) func $is_refused)
        (type $other (func (param i64) (result i32)))";
    handler(
        items,
        &format!("(call_indirect $t (type $other) (i64.const 0) {at})"),
    )
}

fn exit_in_start() -> Vec<u8> {
    wasi_handler(
        "(func $start (call $exit (i32.const 1))) (start $start)",
        "(i32.const 16)",
    )
}

fn exit(status: &str) -> Vec<u8> {
    wasi_handler(
        "",
        &format!("(call $exit (i32.const {status})) (i32.const 16)"),
    )
}
