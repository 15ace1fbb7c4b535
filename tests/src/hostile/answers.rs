//! Answers that are none, or that ask for too much.

use super::text::handler;
use super::{Fate, Villain};

pub(super) fn villains() -> Vec<Villain> {
    let soon = Fate::Fails("nothing was refused");
    vec![
        Villain::text("delay-of-u64-max", || again_after("-1"), soon),
        Villain::text("delay-of-nothing", || again_after("0"), soon),
        Villain::text(
            "answer-of-no-result",
            || answer("(i32.store (i32.const 16) (i32.const 2)) (i32.const 16)"),
            Fate::Fails("invalid expected discriminant"),
        ),
        Villain::text(
            "answer-of-no-error",
            || {
                answer(
                    "(i32.store (i32.const 16) (i32.const 1))
                    (i32.store (i32.const 24) (i32.const 255)) (i32.const 16)",
                )
            },
            Fate::Fails("unexpected discriminant: 255"),
        ),
        Villain::text(
            "answer-out-of-bounds",
            || answer("(i32.const -8)"),
            Fate::Fails("out of bounds"),
        ),
        Villain::text(
            "answer-unaligned",
            || answer("(i32.const 17)"),
            Fate::Fails("not aligned"),
        ),
        Villain::text(
            "reason-out-of-bounds",
            || answer("(call $reject (i32.const 65536) (i32.const -65536))"),
            Fate::Fails("out of bounds"),
        ),
    ]
}

fn answer(body: &str) -> Vec<u8> {
    handler("", body)
}

/// Asks for another attempt after this many milliseconds.
fn again_after(delay: &str) -> Vec<u8> {
    answer(&format!(
        "(i32.store (i32.const 40) (i32.const 1))
        (i64.store (i32.const 48) (i64.const {delay}))
        (call $again (i32.const 1032) (i32.const 19))"
    ))
}
