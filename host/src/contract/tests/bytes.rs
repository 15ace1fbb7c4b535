//! Bytes of every kind: what they are taken for, and that none of them panics.

use proptest::prelude::*;

use super::super::{ReadError, componentize, inspect, read, wit};
use super::{component, module};

fn message(bytes: &[u8]) -> String {
    read(bytes).expect_err("refused").to_string()
}

#[test]
fn a_component_is_taken_as_it_is() {
    let component = component(wit::contract(), "plugin");
    let taken = componentize(&component).expect("taken");
    assert!(matches!(taken, std::borrow::Cow::Borrowed(_)));
}

#[test]
fn a_core_module_of_wit_bindgen_becomes_a_component() {
    let module = module(wit::contract(), "chat-push-handler");
    let (component, inspection) = read(&module).expect("becomes a component");
    assert_eq!(component[6], 1, "the layer says component");
    assert!(inspection.fits(), "{:?}", inspection.problems);
    assert!(inspection.handlers.chat_push);
}

#[test]
fn a_core_module_for_wasi_preview_1_gets_the_adapter() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "clock_time_get"
            (func (param i32 i64 i32) (result i32)))
        (func (export "hookbox:plugin/on-event@0.1.0#handle") (param i32) (result i32) unreachable)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (memory (export "memory") 1))"#;
    let mut module = wat::parse_str(text).expect("the text is right");
    let resolve = wit::contract();
    let (world, _) = resolve
        .worlds
        .iter()
        .find(|(_, world)| world.name == "event-handler")
        .expect("the world");
    wit_component::embed_component_metadata(
        &mut module,
        resolve,
        world,
        wit_component::StringEncoding::UTF8,
    )
    .expect("embedded");

    let (_, inspection) = read(&module).expect("becomes a component");

    assert!(inspection.fits(), "{:?}", inspection.problems);
    assert!(inspection.uses_wasi());
}

#[test]
fn a_core_module_without_an_interface_is_explained() {
    let module = wat::parse_str(r#"(module (func (export "run")))"#).expect("valid");
    let message = message(&module);
    assert!(message.contains("`component-type` section"), "{message}");
    assert!(message.contains("`run`"), "{message}");
}

#[test]
fn what_is_no_webassembly_is_named() {
    let full = component(wit::contract(), "plugin");
    let cases: [(&[u8], &str); 9] = [
        (b"", "empty"),
        (b"(component)", "text"),
        (b"\n  ;; a comment\n(module)", "text"),
        (b"\x7fELF\x02\x01\x01\0", "native code"),
        (b"PK\x03\x04", "this one with 50 4b 03 04"),
        (b"\0as", "ends too early"),
        (b"\0asm\x01\0", "ends too early"),
        (b"\0asm\x09\0\0\0", "binary format"),
        (&full[..full.len() / 2], "ends too early"),
    ];
    for (bytes, expected) in cases {
        let message = message(bytes);
        assert!(
            message.contains(expected),
            "{expected:?} isn't in {message:?}"
        );
    }
}

#[test]
fn a_wit_package_is_no_plugin() {
    let resolve = wit::contract();
    let (package, _) = resolve
        .packages
        .iter()
        .find(|(_, package)| package.name.namespace == "hookbox")
        .expect("the package");
    let bytes = wit_component::encode(resolve, package).expect("encoded");
    assert_eq!(read(&bytes), Err(ReadError::WitPackage));
}

/// Found by changing bytes at random: such a circle overflowed the stack.
#[test]
fn an_interface_that_goes_in_a_circle_is_refused() {
    let mut module = module(wit::contract(), "plugin");
    let (ours, theirs) = (b"hookbox:plugin/on-event", b"hookbux:plugin/on-event");
    for start in 0..module.len() - ours.len() {
        if module[start..].starts_with(ours) {
            module[start..start + ours.len()].copy_from_slice(theirs);
        }
    }
    let message = message(&module);
    assert!(message.contains("goes in a circle"), "{message}");
}

/// A valid component whose packages use each other's types.
const CIRCLE: &str = r#"(component
    (import "a:a/x" (instance $x (type $r (record (field "f" u8))) (export "t" (type (eq $r)))))
    (alias export $x "t" (type $xt))
    (import "b:b/y" (instance $y (export "t" (type (eq $xt)))))
    (alias export $y "t" (type $yt))
    (import "a:a/z" (instance (export "t" (type (eq $yt))))))"#;

#[test]
fn a_component_whose_packages_use_each_other_is_refused() {
    let bytes = wat::parse_str(CIRCLE).expect("the text is right");
    let message = message(&bytes);
    assert!(
        message.contains("goes in a circle at package a:a"),
        "{message}"
    );
}

/// The same as an encoded world: the content of a `component-type` section.
fn circle_described() -> Vec<u8> {
    let world = CIRCLE.replacen("(component", "(type $world (component", 1) + ")";
    let text = format!(
        "(component
            (type $outer (component {world} (export \"a:w/w\" (component (type $world)))))
            (export \"w\" (type $outer)))"
    );
    wat::parse_str(&text).expect("the text is right")
}

/// Decoding this one would overflow the stack as well.
#[test]
fn a_wit_package_that_goes_in_a_circle_is_no_plugin() {
    let bytes = circle_described();
    assert_eq!(read(&bytes), Err(ReadError::WitPackage));
}

#[test]
fn a_module_whose_packages_use_each_other_is_refused() {
    let description = circle_described();
    let mut module = wat::parse_str("(module)").expect("the text is right");
    append_custom_section(&mut module, "component-type", &description);
    let message = message(&module);
    assert!(
        message.contains("goes in a circle at package a:"),
        "{message}"
    );
}

fn append_custom_section(module: &mut Vec<u8>, name: &str, data: &[u8]) {
    let leb = |mut n: usize| {
        let mut digits = Vec::new();
        while n > 0x7f {
            digits.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        digits.push(n as u8);
        digits
    };
    let content = [&leb(name.len()), name.as_bytes(), data].concat();
    module.push(0);
    module.extend(leb(content.len()));
    module.extend(content);
}

#[test]
fn types_nested_deeply_get_an_answer() {
    let mut text = String::from("(component (type $t0 (list u8))\n");
    for n in 1..20_000 {
        text += &format!("(type $t{n} (list $t{}))\n", n - 1);
    }
    text += "(import \"f\" (func (param \"x\" $t19999))))";
    let bytes = wat::parse_str(&text).expect("the text is right");
    match read(&bytes) {
        Ok((_, inspection)) => assert!(!inspection.fits()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[test]
fn a_component_of_the_asynchronous_abi_is_told_apart() {
    let text = r#"(component
        (core module $m (func (export "f") (result i32) i32.const 0)
                        (func (export "cb") (param i32 i32 i32) (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func (export "f") async
            (canon lift (core func $i "f") async (callback (func $i "cb")))))"#;
    let bytes = wat::parse_str(text).expect("the text is right");
    assert_eq!(read(&bytes), Err(ReadError::AsyncAbi));
}

#[test]
fn deep_and_wide_types_are_shown_short() {
    // Each type holds the one before twice: written out, 2^14 of them.
    let mut text = String::from("(component (type $t0 (tuple u8 u8))\n");
    for n in 1..14 {
        text += &format!("(type $t{n} (tuple $t{p} $t{p}))\n", p = n - 1);
    }
    text += "(import \"f\" (func (param \"x\" $t13))))";
    let bytes = wat::parse_str(&text).expect("the text is right");
    let inspection = inspect(&bytes).expect("read");
    let shown = &inspection.imports[0].functions[0];
    assert!(shown.len() < 600, "{} bytes", shown.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Whatever single bytes change, and wherever the end is cut off: an answer.
    #[test]
    fn damaged_components_get_an_answer(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        core in any::<bool>(),
    ) {
        let make = if core { module } else { component };
        let mut bytes = make(wit::contract(), "plugin");
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        // An answer of either kind will do, and it can be shown.
        match read(&bytes) {
            Ok((_, inspection)) => {
                for problem in &inspection.problems {
                    prop_assert!(!problem.to_string().is_empty());
                    prop_assert!(!problem.advice().is_empty());
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
