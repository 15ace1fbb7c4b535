//! Manifests made to overwhelm their parser.

use crate::drops::{harmless, not_loaded, put};
use crate::scene::{host_with, watched};

/// Nearly as large as a manifest may be.
const SIZE: usize = (256 << 10) - 64;

#[test]
fn a_manifest_is_no_bomb() {
    let brackets = "[".repeat(SIZE);
    let lists = format!("a = {}", "[".repeat(SIZE));
    let closed = format!("a = {}{}", "[".repeat(SIZE / 2), "]".repeat(SIZE / 2));
    let dotted = format!("a{} = 1", ".a".repeat(SIZE / 2));
    let dotted_table = format!("[a{}]", ".a".repeat(SIZE / 2));
    let dotted_array = format!("[[a{}]]", ".a".repeat(SIZE / 2));
    let config = format!("[config]\na{} = 1", ".a".repeat(SIZE / 2 - 10));
    let inline = format!("a = {}", "{a=".repeat(SIZE / 3));
    let mixed = format!("a = {}", "[{a=".repeat(SIZE / 4));
    let keys: String = (0..SIZE / 8).map(|n| format!("k{n:05}=\n")).collect();
    let keys = keys.replace("=\n", "=1\n");
    let keys = &keys[..keys.len().min(SIZE)];
    let tables: String = (0..SIZE / 9).map(|n| format!("[t{n:05}]\n")).collect();
    let same = "[[a]]\n".repeat(SIZE / 6);
    let steps: String = (0..SIZE / 600)
        .map(|n| format!("[{}z{n}]\n", "a.".repeat(290)))
        .collect();
    let quotes = "\"".repeat(SIZE);
    let open = format!("a = \"\"\"{}", "\\\n".repeat(SIZE / 2 - 10));
    let digits = format!("enabled = {}", "9".repeat(SIZE - 20));
    let date = format!("enabled = 1979-05-27T07:32:00.{}Z", "9".repeat(SIZE - 64));
    let key = format!("\"\\u001b[31m\\u202e{}\" = 1", "k".repeat(SIZE - 64));
    let entries = format!(
        "http.allow = [{}]",
        "'https://a.example/',".repeat(SIZE / 21 - 2)
    );
    let cases: [(&str, &str); 20] = [
        ("brackets", &brackets),
        ("lists", &lists),
        ("closed", &closed),
        ("dotted", &dotted),
        ("dotted-table", &dotted_table),
        ("dotted-array", &dotted_array),
        ("config", &config),
        ("inline", &inline),
        ("mixed", &mixed),
        ("keys", keys),
        ("tables", &tables),
        ("same", &same),
        ("steps", &steps),
        ("quotes", &quotes),
        ("open", &open),
        ("digits", &digits),
        ("date", &date),
        ("key", &key),
        ("entries", &entries),
        ("nothing", "\0"),
    ];
    let mut host = host_with("");
    let wasm = harmless("bomb");
    watched(&mut host, |host| {
        for (name, text) in cases {
            put(host, format!("{name}.toml"), text.as_bytes());
            put(host, format!("{name}.wasm"), &wasm);
        }
        for (name, _) in cases {
            let said = not_loaded(host, name);
            assert!(said.contains(&format!("{name}.toml")), "{name}: {said}");
            assert!(
                said.len() < 2000,
                "{name}: {} bytes: {said:.200}",
                said.len()
            );
        }
    });
}
