//! Components for `chat.push` that import whatever of the host's.

use std::path::Path;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};
use wit_parser::Resolve;

/// All that a component can import: the contract, WASI as the adapter of preview 1
/// knows it, and what it doesn't know.
pub(super) fn everything() -> &'static Resolve {
    static EVERYTHING: LazyLock<Resolve> = LazyLock::new(|| {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut resolve = Resolve::default();
        resolve.push_dir(&wit).expect("the contract parses");
        let adapter =
            wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER;
        let (_, wasi) = metadata::decode(adapter).expect("it says what it imports");
        resolve.merge(wasi.resolve).expect("other packages");
        let http = include_str!("../../../../sdk/rust/wit/http.wit");
        for (name, text) in [("http.wit", http), ("more.wit", include_str!("more.wit"))] {
            resolve.push_source(name, text).expect("it parses");
        }
        resolve
    });
    &EVERYTHING
}

/// The whole name of an interface: its version is wasmtime-wasi's.
pub(super) fn whole_name(interface: &str) -> String {
    let versioned = format!("{interface}@");
    let resolve = everything();
    let names = resolve.interfaces.iter();
    let mut names = names.filter_map(|(id, _)| resolve.id_of(id));
    let found = names.find(|name| name == interface || name.starts_with(&versioned));
    found.unwrap_or_else(|| panic!("no interface {interface}"))
}

/// A component of a core module that exports the handler.
pub(super) fn component(resolve: &Resolve, world: &str, module: &str) -> Vec<u8> {
    let mut resolve = resolve.clone();
    let text = format!(
        "package hookbox:probe;
        interface mine {{ resource thing {{ }} }}
        world probe {{ {world} export hookbox:plugin/on-chat-push@0.1.0; }}"
    );
    let package = resolve
        .push_source("probe.wit", &text)
        .unwrap_or_else(|error| panic!("{error:?}: {text}"));
    let world = resolve
        .select_world(&[package], Some("probe"))
        .expect("it is there");
    let mut bytes = ::wat::parse_str(module).unwrap_or_else(|error| panic!("{error}: {module}"));
    embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8)
        .expect("the metadata fits");
    ComponentEncoder::default()
        .module(&bytes)
        .and_then(|encoder| encoder.validate(true).encode())
        .unwrap_or_else(|error| panic!("{error:?}: {module}"))
}

/// A handler that runs `body`, with these imports: interface, function, and the
/// function's name and type as text. 16 is the address of its answer, `(local.get
/// $n)` is 0, and there are 4 bytes of text at 1024.
pub(super) fn plugin(imports: &[(&str, &str, &str)], items: &str, body: &str) -> Vec<u8> {
    let mut world = String::new();
    let mut parts = String::new();
    for (interface, function, ty) in imports {
        let name = whole_name(interface);
        let line = format!("import {name};\n");
        if !world.contains(&line) {
            world.push_str(&line);
        }
        parts.push_str(&format!("(import \"{name}\" \"{function}\" (func {ty}))\n"));
    }
    let module = format!(
        r#"(module {parts}
  (memory (export "memory") 2)
  (data (i32.const 1024) "text")
  (global $bump (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $bump) (i32.const 15)) (i32.const -16)))
    (global.set $bump (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  {items}
  (func (export "hookbox:plugin/on-chat-push@0.1.0#handle") (param $event i32) (result i32)
    (local $n i32)
    {body}))"#
    );
    component(everything(), &world, &module)
}
