//! Memory, in all its forms.

use super::text::handler;
use super::{Fate, Villain};
use crate::wat::{self, World};

const MEMORY: Fate = Fate::Fails("memory limit of");

pub(super) fn villains() -> Vec<Villain> {
    vec![
        Villain::text("memory-at-once", || wat::grows(World::ChatPush), MEMORY),
        Villain::text("memory-step-by-step", step_by_step, MEMORY),
        Villain::text("memory-to-the-limit", to_the_limit, Fate::Ends),
        Villain::text("memories", memories, MEMORY),
        Villain::text(
            "table-growth",
            table_growth,
            Fate::Rejects("nothing was refused"),
        ),
        Villain::text("tables", tables, Fate::Ends),
        Villain::text("instances", instances, Fate::Ends),
        Villain::rust("allocate-for-ever", MEMORY),
    ]
}

fn step_by_step() -> Vec<u8> {
    let body = "(loop $again (drop (memory.grow (i32.const 1))) (br $again)) (i32.const 16)";
    handler("", body)
}

/// Exactly to the default of 64 MiB, and each page is used. It imports nothing that
/// needs a table.
fn to_the_limit() -> Vec<u8> {
    let module = r#"(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func (export "hookbox:plugin/on-chat-push@0.1.0#handle") (param i32) (result i32)
    (local $at i32)
    (if (i32.eq (memory.grow (i32.const 1022)) (i32.const -1)) (then unreachable))
    (loop $next
      (i32.store (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 67108864))))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.const 16)))"#;
    wat::component(World::ChatPush, module)
}

/// As many as there may be, each within the limit, and not all of them.
fn memories() -> Vec<u8> {
    let module = "(module (memory 1)
        (func $start (drop (memory.grow (i32.const 400))))
        (start $start))";
    wat::with_modules(&plain(), &[module; 3])
}

/// The host has a table's space ready and grows it no further: the handler is told.
fn table_growth() -> Vec<u8> {
    let body = "(loop $again
          (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
        (call $reject (i32.const 1032) (i32.const 19))";
    handler("(table $t 1 funcref)", body)
}

/// As many as there may be, as large as they may be.
fn tables() -> Vec<u8> {
    wat::with_modules(&plain(), &["(module (table 99000 funcref))"; 8])
}

fn instances() -> Vec<u8> {
    wat::with_modules(&plain(), &["(module)"; 59])
}

/// One that imports nothing, and so has no table either.
fn plain() -> Vec<u8> {
    let module = r#"(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func (export "hookbox:plugin/on-chat-push@0.1.0#handle") (param i32) (result i32)
    (i32.store (i32.const 16) (i32.const 0))
    (i32.const 16)))"#;
    wat::component(World::ChatPush, module)
}
