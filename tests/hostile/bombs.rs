//! Files that are small and take the compiler long, or that become large.

use std::fmt::Write as _;

use hookbox_testkit::wait_for;
use hookbox_testkit::wat::{self, World};

use crate::drops::{complaint, put};
use crate::scene::{host_with, watched};

/// Tight, so that a bomb is over soon.
const TIGHT: &str = "[compile]\ncpu = \"2s\"\nwall = \"20s\"\nmemory = \"512MiB\"\n";

/// A handler beside these parts of a module.
fn beside(items: &str) -> Vec<u8> {
    wat::plugin(World::ChatPush, items, "(i32.const 16)")
}

fn functions(count: usize, body: &str) -> String {
    format!("(func (param i32) (result i32) {body})").repeat(count)
}

/// Each runs or is refused, by what can be read in the log, and the next one has
/// its turn. Which of the two depends on the machine for some.
#[test]
fn a_bomb_runs_or_is_refused_and_the_next_has_its_turn() {
    let mut jumps = String::new();
    for _ in 0..200_000 {
        jumps.push_str(" 0");
    }
    let table = format!("(func (param i32) (block (br_table {jumps} (local.get 0))))",);
    let nest = |depth: usize| format!("(func {} {})", "block ".repeat(depth), "end ".repeat(depth));
    let loops = format!(
        "(func {} {})",
        "loop ".repeat(3000),
        "br 0 end ".repeat(3000)
    );
    let locals = format!("(func (local {}))", "i64 ".repeat(49_000));
    let straight = functions(
        1,
        &format!("local.get 0 {}", "local.get 0 i32.add ".repeat(100_000)),
    );
    let many = functions(30_000, "local.get 0");
    let globals = "(global (mut i64) (i64.const 1))".repeat(50_000);
    let mut types = String::new();
    for number in 0..50_000 {
        write!(
            types,
            "(type (func (param i32) (result i{})))",
            32 << (number % 2)
        )
        .expect("written");
    }
    let data = "(data (i32.const 0) \"x\")".repeat(50_000);
    let element = format!(
        "(table 100000 funcref) (elem (i32.const 0) func {}) (func $f)",
        "$f ".repeat(90_000)
    );
    let cases: [(&str, String); 12] = [
        ("table", table),
        ("blocks", nest(1_000)),
        ("many-blocks", nest(100_000)),
        ("loops", loops),
        ("locals", locals),
        ("straight", straight),
        ("many", many),
        ("globals", globals),
        ("types", types),
        ("data", data),
        ("element", element),
        ("far", "(data (i32.const 0x7fffffff) \"x\")".into()),
    ];
    let mut host = host_with(TIGHT);
    watched(&mut host, |host| {
        for (name, items) in &cases {
            put(host, format!("{name}.wasm"), &beside(items));
        }
        for (name, _) in &cases {
            let runs = wait_for(&format!("an end of {name}"), || {
                let plugin = host.plugin(name)?;
                let over = plugin["version"].is_string() || plugin["problem"].is_string();
                over.then(|| plugin["version"].is_string())
            });
            if !runs {
                let said = complaint(host, name);
                let clear = [
                    "CPU time",
                    "bytes of memory",
                    "isn't valid",
                    "too ",
                    "limit",
                    "larger",
                ];
                assert!(clear.iter().any(|why| said.contains(why)), "{name}: {said}");
                assert!(said.len() < 2000, "{name}: {} bytes", said.len());
            }
        }
    });
}
