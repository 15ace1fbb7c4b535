//! Files that are no plugins, or not of this host's shape.

use std::fmt::Write as _;

use hookbox_testkit::wait_for;

use crate::drops::{harmless, not_loaded, put};
use crate::scene::{host_with, watched, well};
use crate::shapes::{HEADER, custom, leb, nested, of_wit, section, with_inner};

/// Drops each of these, and asserts what is said of it. None may run.
fn each_is_refused(cases: &[(&str, Vec<u8>, &str)]) {
    let mut host = host_with("");
    watched(&mut host, |host| {
        for (name, bytes, _) in cases {
            put(host, format!("{name}.wasm"), bytes);
        }
        let said = cases
            .iter()
            .map(|(name, _, why)| (name, not_loaded(host, name), why));
        let others: Vec<_> = said
            .filter(|(_, said, why)| !said.contains(**why))
            .collect();
        assert!(others.is_empty(), "{others:#?}");
    });
}

#[test]
fn what_is_no_component_is_named() {
    let garbage: Vec<u8> = (0..10_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let good = harmless("fine");
    let core = |text: &str| wat::parse_str(text).expect("good text");
    let forged = |content: &[u8]| {
        let section = custom("component-type:chat-push-handler", content);
        [core("(module)"), section].concat()
    };
    each_is_refused(&[
        ("empty", Vec::new(), "the file is empty"),
        (
            "zip",
            [b"PK\x03\x04", &*garbage].concat(),
            "this isn't WebAssembly",
        ),
        (
            "gzip",
            [b"\x1f\x8b\x08", &*garbage].concat(),
            "this isn't WebAssembly",
        ),
        (
            "script",
            b"#!/bin/sh\nreboot\n".to_vec(),
            "this isn't WebAssembly",
        ),
        ("text", b"(component)".to_vec(), "WebAssembly text"),
        ("native", b"\x7fELF\x02\x01\x01".to_vec(), "native code"),
        (
            "version",
            b"\0asm\x0e\0\x01\0".to_vec(),
            "format that the host doesn't know",
        ),
        ("header", HEADER.to_vec(), "exports no handler"),
        ("garbage", [HEADER, &garbage].concat(), "ends too early"),
        (
            "zeroes",
            [HEADER, &[0; 1000]].concat(),
            "isn't valid WebAssembly",
        ),
        (
            "sections",
            [HEADER, &section(77, b"?")].concat(),
            "isn't valid WebAssembly",
        ),
        (
            "long-leb",
            [HEADER, b"\x01\xff\xff\xff\xff\xff\xff"].concat(),
            "isn't valid WebAssembly",
        ),
        (
            "twice",
            [&*good, &*good].concat(),
            "isn't valid WebAssembly",
        ),
        (
            "core",
            core("(module (func (export \"run\")))"),
            "core module without a `component-type`",
        ),
        ("forged-empty", forged(b""), "isn't valid WebAssembly"),
        ("forged", forged(&garbage), "isn't valid WebAssembly"),
        (
            "forged-good",
            forged(&good),
            "can't be turned into a component",
        ),
    ]);
}

#[test]
fn a_component_of_another_shape_is_explained() {
    let export = "export hookbox:plugin/on-chat-push@0.1.0;";
    let other = "package hookbox:plugin@0.1.0; interface on-chat-push { handle: func(all: u8); }";
    let newer = "package hookbox:plugin@0.9.0; interface on-chat-push { handle: func(all: u8); }";
    let lacks = "package hookbox:plugin@0.1.0; interface on-chat-push { other: func(); }";
    let sockets = "package wasi:sockets@0.2.0; interface raw { open: func() -> u32; }";
    let files = "package wasi:filesystem@0.2.0; \
        interface preopens { get-directories: func() -> list<u32>; }";
    let mut many = String::new();
    for number in 0..3000 {
        write!(many, "import fx{number}: func();").expect("written");
    }
    each_is_refused(&[
        (
            "mismatch",
            of_wit(false, &[other], export),
            "on-chat-push.handle: ",
        ),
        (
            "newer",
            of_wit(false, &[newer], "export hookbox:plugin/on-chat-push@0.9.0;"),
            "0.9.0",
        ),
        ("lacks", of_wit(false, &[lacks], export), "on-chat-push"),
        (
            "nothing",
            of_wit(true, &[], "import wasi:config/store@0.2.0-rc.1;"),
            "exports no handler",
        ),
        (
            "function",
            of_wit(true, &[], &format!("import reboot: func(); {export}")),
            "reboot",
        ),
        (
            "sockets",
            of_wit(
                true,
                &[sockets],
                &format!("import wasi:sockets/raw@0.2.0; {export}"),
            ),
            "wasi:sockets/raw",
        ),
        (
            "preopens",
            of_wit(
                true,
                &[files],
                &format!("import wasi:filesystem/preopens@0.2.0; {export}"),
            ),
            "wasi:filesystem/preopens",
        ),
        (
            "many-imports",
            of_wit(true, &[], &format!("{many} {export}")),
            "imports and exports",
        ),
        (
            "many-exports",
            of_wit(
                true,
                &[],
                &format!("{} {export}", many.replace("import", "export")),
            ),
            "imports and exports",
        ),
    ]);
}

#[test]
fn a_component_larger_than_the_pools_is_refused_with_the_reason() {
    let inner = |parts: &str, times: usize| {
        let instances = "(core instance (instantiate $m))".repeat(times);
        with_inner(&format!("(component (core module $m {parts}) {instances})"))
    };
    each_is_refused(&[
        ("instances", inner("", 61), "instances"),
        ("memories", inner("(memory 1)", 5), "memories"),
        ("tables", inner("(table 1 funcref)", 9), "tables"),
        ("memory", inner("(memory 65536)", 1), "memory"),
        ("table", inner("(table 1000000 funcref)", 1), "table"),
    ]);
}

#[test]
fn a_file_cut_off_anywhere_is_a_load_error() {
    let whole = harmless("cut off");
    let places: Vec<usize> = (1..=30).map(|part| whole.len() * part / 31).collect();
    let mut host = host_with("");
    watched(&mut host, |host| {
        for at in &places {
            put(host, format!("cut-{at}.wasm"), &whole[..*at]);
        }
        for at in &places {
            let said = not_loaded(host, &format!("cut-{at}"));
            assert!(
                said.contains("ends too early")
                    || said.contains("doesn't fit")
                    || said.contains("exports no handler"),
                "{at}: {said}"
            );
        }
    });
}

#[test]
fn what_is_only_strange_is_taken_or_refused_and_harms_nobody() {
    let good = harmless("strange");
    let mut names = String::new();
    for number in 0..1000 {
        write!(names, "(type (record (field \"f{number}\" u8)))").expect("written");
    }
    let wide = format!("(component {names})");
    let mut host = host_with("compile.cpu = \"3s\"");
    watched(&mut host, |host| {
        // Sections that nobody reads may be large.
        let fat = [good.clone(), custom("fat", &vec![7; 50 << 20])].concat();
        put(host, "fat.wasm", &fat);
        wait_for("the fat one to run", || host.version("fat"));
        well(host, "fat");
        let wide = with_inner(&wide);
        put(host, "wide.wasm", &wide);
        wait_for("the wide one to run", || host.version("wide"));

        for depth in [50, 500, 5_000, 50_000] {
            put(host, format!("nested-{depth}.wasm"), &nested(depth));
            not_loaded(host, &format!("nested-{depth}"));
        }
    });
}

#[test]
fn names_in_a_file_speak_to_no_terminal() {
    // Names of exports are letters and dashes; those of a core module are anything.
    let name = "\\1b[31m\\0d\\0aINFO all is well\\e2\\80\\ae";
    let text = format!("(module (func (export \"{name}\")))");
    let module = wat::parse_str(text).expect("good text");
    let forged = [
        HEADER,
        &section(
            10,
            &[&[1, 0][..], &leb(9), b"a\x1b[31mb\x0d\x0a", &[1, 0]].concat(),
        ),
    ];
    let custom_name = [harmless("named"), custom("\u{1b}[31m\n\u{202e}", b"?")].concat();
    let mut host = host_with("");
    watched(&mut host, |host| {
        put(host, "core.wasm", &module);
        put(host, "import.wasm", &forged.concat());
        put(host, "custom.wasm", &custom_name);
        // That what is said can be shown is asserted for each complaint.
        assert!(not_loaded(host, "core").contains("all is well"));
        not_loaded(host, "import");
        wait_for("the one with a strange section to run", || {
            host.version("custom")
        });
    });
}
