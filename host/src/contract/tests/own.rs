//! The contract itself: it parses, it is complete, and it is documented.

use wit_parser::{Docs, TypeDefKind};

use super::super::{VERSION, wit};
use crate::types::Handler;

#[test]
fn parses() {
    let resolve = wit::parse(str::to_owned).expect("wit/ parses");
    assert_eq!(
        resolve.packages.len(),
        4,
        "ours, and the three that it builds on"
    );
}

#[test]
fn has_the_version_that_the_host_says() {
    let resolve = wit::contract();
    let (_, package) = resolve
        .packages
        .iter()
        .find(|(_, package)| package.name.namespace == "hookbox")
        .expect("the contract's package");
    let version = package.name.version.as_ref().expect("a version");
    assert_eq!(version.to_string(), VERSION);
}

#[test]
fn has_a_world_for_each_handler_and_one_for_all() {
    let worlds: Vec<_> = wit::contract()
        .worlds
        .iter()
        .map(|(_, world)| world.name.as_str())
        .collect();
    for name in [
        "imports",
        "room-join-handler",
        "chat-push-handler",
        "event-handler",
        "plugin",
    ] {
        assert!(worlds.contains(&name), "world {name} is missing");
    }
}

#[test]
fn each_handler_of_the_host_is_an_interface_with_handle() {
    for handler in [Handler::RoomJoin, Handler::ChatPush, Handler::Event] {
        let name = wit::full_name(handler.interface());
        let interface = wit::interface(&name).expect("the interface exists");
        assert!(interface.functions.contains_key("handle"), "{name}");
    }
}

#[test]
fn everything_in_it_is_documented() {
    let resolve = wit::contract();
    let mut undocumented = Vec::new();
    let mut check = |what: String, docs: &Docs| {
        if docs.is_empty() {
            undocumented.push(what);
        }
    };
    for (id, interface) in resolve.interfaces.iter() {
        let name = resolve.id_of(id).expect("interfaces have names");
        if !name.starts_with("wasi:") {
            check(name.clone(), &interface.docs);
        }
        for (function, definition) in &interface.functions {
            check(format!("{name}.{function}"), &definition.docs);
        }
        for (type_name, id) in &interface.types {
            let place = format!("{name}.{type_name}");
            let definition = &resolve.types[*id];
            match &definition.kind {
                // `use` brings a name in; it is documented where it is defined.
                TypeDefKind::Type(wit_parser::Type::Id(_)) => continue,
                TypeDefKind::Record(record) => {
                    for field in &record.fields {
                        check(format!("{place}.{}", field.name), &field.docs);
                    }
                }
                TypeDefKind::Variant(variant) => {
                    for case in &variant.cases {
                        check(format!("{place}.{}", case.name), &case.docs);
                    }
                }
                TypeDefKind::Enum(cases) => {
                    for case in &cases.cases {
                        check(format!("{place}.{}", case.name), &case.docs);
                    }
                }
                _ => {}
            }
            check(place, &definition.docs);
        }
    }
    for (_, world) in resolve.worlds.iter() {
        check(format!("world {}", world.name), &world.docs);
    }
    assert_eq!(undocumented, Vec::<String>::new());
}
