//! What the targets begin with: one folder of seeds for each, written by the
//! target itself when `HOOKBOX_FUZZ_SEEDS` names the folder.

use std::fs;
use std::path::{Path, PathBuf};

use hookbox_testkit::wat::{self, World};

/// The root of the sources.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Writes `seeds` if it is asked for.
///
/// # Panics
/// When the folder can't be written: there is nobody else to tell.
pub fn write_seeds(seeds: impl FnOnce() -> Vec<Vec<u8>>) {
    let Some(folder) = std::env::var_os("HOOKBOX_FUZZ_SEEDS") else {
        return;
    };
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder).expect("the folder of seeds is made");
    for (number, seed) in seeds().into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:02}")), seed).expect("a seed is written");
    }
}

/// The files under these folders of the sources that have this ending.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn files(folders: &[&str], ending: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&Path::new(ROOT).join(folder), ending, &mut found);
    }
    assert!(!found.is_empty(), "no .{ending} in {folders:?}");
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<Vec<u8>>) {
    let entries = fs::read_dir(folder).expect("a folder of the sources");
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.extension().is_some_and(|is| is == ending) {
            found.push(fs::read(&path).expect("a file of the sources"));
        }
    }
}

/// The blocks of code in the guides that are in this language.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn examples(language: &str) -> Vec<Vec<u8>> {
    let opening = format!("```{language}\n");
    let mut found = Vec::new();
    for guide in files(&["docs"], "md") {
        let guide = String::from_utf8_lossy(&guide).into_owned();
        for block in guide.split(&opening).skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            found.push(block.as_bytes().to_vec());
        }
    }
    assert!(!found.is_empty(), "no {language} in the guides");
    found
}

/// Small components that fit the contract, and core modules that don't.
///
/// # Panics
/// When they can't be made.
#[must_use]
pub fn components() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for world in [World::RoomJoin, World::ChatPush, World::Event] {
        all.push(wat::logs(world, "hello"));
        all.push(wat::loops(world));
    }
    all.push(wat::grows(World::ChatPush));
    all.push(wat::recurses(World::Event));
    let everything = "(table 4 funcref) (elem (i32.const 0) func $handle)
        (global $g (mut i64) (i64.const 7)) (data (i32.const 900) \"some data\")
        (func $f (param f64 i64) (result f64) (f64.add (local.get 0) (f64.convert_i64_s (local.get 1))))
        (type $h (func (param i32) (result i32)))";
    let body = "(drop (call $f (f64.const 1.5) (global.get $g)))
        (memory.fill (i32.const 2000) (i32.const 1) (i32.const 64))
        (memory.copy (i32.const 3000) (i32.const 2000) (i32.const 64))
        (drop (v128.load (i32.const 2000)))
        (if (i32.eqz (local.get $event)) (then (drop (call_indirect (type $h) (i32.const 0) (i32.const 0)))))
        (block $out (br_table $out $out (local.get $event)))
        (i32.const 16)";
    all.push(wat::plugin(World::ChatPush, everything, body));
    all.push(b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b".to_vec());
    all.push(b"\0asm\x0d\0\x01\0".to_vec());
    all
}
