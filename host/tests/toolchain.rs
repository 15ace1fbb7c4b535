//! Compiles real plugins to wasm and looks at what came out. On a machine
//! without a compiler for wasm, the first run sets one up.

#![allow(clippy::print_stderr, reason = "progress, shown when a test fails")]

use std::path::{Path, PathBuf};

use hookbox::toolchain::{Built, Error, Options, build_plugin};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn build(dir: impl AsRef<Path>, out: &Path, options: &Options) -> Result<Built, Error> {
    build_plugin(&Path::new(ROOT).join(dir), out, options, &mut |line| {
        eprintln!("{line}")
    })
}

fn handlers(built: &Built) -> Vec<&str> {
    let mut handlers: Vec<_> = built
        .exports
        .iter()
        .filter_map(|name| {
            name.strip_prefix("hookbox:plugin/on-")?
                .strip_suffix("@0.1.0")
        })
        .collect();
    handlers.sort_unstable();
    handlers
}

/// Byte 6 of the header tells a core module from a component.
fn layer(file: &Path) -> u8 {
    std::fs::read(file).expect("a wasm file")[6]
}

#[test]
fn each_of_the_seven_combinations_exports_exactly_its_handlers() {
    let out = tempfile::tempdir().expect("a folder");
    for mask in 1..8_u8 {
        let features: Vec<String> = ["chat-push", "event", "room-join"]
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| mask & (1 << bit) != 0)
            .map(|(_, feature)| feature.to_owned())
            .collect();
        let name = features.join("_");
        let options = Options {
            features: features.clone(),
            name: Some(name.clone()),
            ..Options::default()
        };
        let built = build("tests/fixtures/combos", out.path(), &options).expect("it builds");
        assert_eq!(handlers(&built), features);
        assert_eq!(
            built.imports,
            ["wasi:logging/logging@0.1.0-draft"],
            "{name}"
        );
        assert_eq!(built.component, out.path().join(format!("{name}.wasm")));
        assert_eq!(
            (layer(&built.core), layer(&built.component)),
            (0, 1),
            "{name}"
        );
    }
}

#[test]
fn without_a_handler_nothing_is_written() {
    let out = tempfile::tempdir().expect("a folder");
    let error = build("tests/fixtures/combos", out.path(), &Options::default())
        .expect_err("nothing is exported");
    assert!(matches!(error, Error::NoHandler { .. }), "{error}");
    assert_eq!(std::fs::read_dir(out.path()).expect("a folder").count(), 0);
}

#[test]
fn the_bundled_plugins_are_small_and_ask_for_little() {
    let out = tempfile::tempdir().expect("a folder");
    const BOTH: &[&str] = &["chat-push", "room-join"];
    const KV: &str = "wasi:keyvalue/store@0.2.0-draft2";
    const COUNTERS: &str = "hookbox:plugin/counters@0.1.0";
    const OUTBOX: &str = "hookbox:plugin/outbox@0.1.0";
    for (name, exported, imported, most) in [
        ("greeter", BOTH, &[][..], 64 << 10),
        ("order-finder", &["chat-push"][..], &[], 64 << 10),
        ("analytics", BOTH, &[KV, COUNTERS], 128 << 10),
        ("slack-notifier", BOTH, &[OUTBOX], 128 << 10),
    ] {
        let dir = PathBuf::from("plugins").join(name);
        let built = build(dir, out.path(), &Options::default()).expect("it builds");
        assert_eq!(handlers(&built), exported);
        let mut imports = built.imports.clone();
        imports.sort_unstable();
        let mut expected = vec![
            "wasi:config/store@0.2.0-rc.1",
            "wasi:logging/logging@0.1.0-draft",
        ];
        expected.extend(imported);
        expected.sort_unstable();
        assert_eq!(imports, expected, "{name}");
        let bytes = built.component_bytes;
        assert!(bytes < most, "{name}: {bytes} bytes");
    }
}

/// As a customer's: outside the workspace, ten lines, with compile errors that
/// cargo explains.
#[test]
fn a_crate_outside_the_workspace_builds_and_its_mistakes_are_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("mine");
    std::fs::create_dir_all(dir.join("src")).expect("src");
    let sdk = Path::new(ROOT)
        .join("sdk/rust")
        .canonicalize()
        .expect("the SDK");
    std::fs::write(
        dir.join("Cargo.toml"),
        format!(
            "[package]\nname = \"mine\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
             [dependencies]\nhookbox-sdk = {{ path = {sdk:?} }}\n"
        ),
    )
    .expect("manifest");
    let source = "use hookbox_sdk::prelude::*;\nstruct Mine;\nimpl OnEvent for Mine {\n    \
                  fn on_event(event: Event) -> Outcome {\n        \
                  log::info!(\"{}\", event.meta.event_type);\n        Ok(())\n    }\n}\n\
                  hookbox_sdk::export!(Mine: OnEvent);\n";
    std::fs::write(dir.join("src/lib.rs"), source).expect("source");
    // The workspace's folder has the standard library already.
    let target = target_dir();
    let options = Options {
        target_dir: Some(target),
        ..Options::default()
    };
    let built = build(&dir, folder.path(), &options).expect("it builds");
    assert_eq!(handlers(&built), ["event"]);

    std::fs::write(
        dir.join("src/lib.rs"),
        source.replace("Mine: OnEvent", "Mine: OnSomething"),
    )
    .expect("source");
    let error = build(&dir, folder.path(), &options)
        .expect_err("a mistake")
        .to_string();
    assert!(error.contains("there is no handler OnSomething"), "{error}");
}

/// Where the plugins of this workspace are built.
fn target_dir() -> PathBuf {
    let out = tempfile::tempdir().expect("a folder");
    let built = build("plugins/greeter", out.path(), &Options::default()).expect("it builds");
    let core = built
        .core
        .parent()
        .and_then(Path::parent)
        .expect("target folder");
    core.to_owned()
}
