//! What the host hands to a handler, and the space that it is told to put it at.

use super::{Fate, Villain};
use crate::wat::{Parts, World};

pub(super) fn villains() -> Vec<Villain> {
    vec![
        Villain::text(
            "space-out-of-bounds",
            || space("(i32.const -16)"),
            Fate::Fails("beyond end of memory"),
        ),
        Villain::text(
            "space-at-the-edge",
            || space("(i32.const 131064)"),
            Fate::Fails("beyond end of memory"),
        ),
        Villain::text(
            "space-unaligned",
            || space("(i32.const 65537)"),
            Fate::Fails("not aligned"),
        ),
        Villain::text(
            "space-always-the-same",
            || space("(i32.const 65536)"),
            Fate::Ends,
        ),
        Villain::text("space-at-null", || space("(i32.const 0)"), Fate::Ends),
        Villain::text(
            "space-that-grows",
            || {
                space(
                    "(i32.mul (memory.grow (i32.add (i32.const 160)
                        (i32.shr_u (local.get 3) (i32.const 16)))) (i32.const 65536))",
                )
            },
            Fate::Fails("memory limit of"),
        ),
        Villain::text(
            "space-that-traps",
            || space("unreachable"),
            Fate::Fails("`unreachable`"),
        ),
    ]
}

/// A `cabi_realloc` with this body. The answer is `ok`, whatever the host has
/// written where it stands.
fn space(body: &str) -> Vec<u8> {
    Parts {
        realloc: body,
        ..Parts::new(World::ChatPush)
    }
    .component("(i32.store (i32.const 16) (i32.const 0)) (i32.const 16)")
}
