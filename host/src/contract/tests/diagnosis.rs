//! Broken component in, diagnosis out.

use super::super::offers::{Offer, offer};
use super::super::problem::What;
use super::{edited, inspected, problems, with_world};
use crate::types::Handlers;

/// The contract changed in one place, a component built from it, and the whole
/// list of what is said about it.
fn diagnosis(from: &str, to: &str) -> Vec<String> {
    problems(&inspected(&edited(from, to), "plugin"))
}

/// The same for a world of the test's own.
fn diagnosis_of_world(body: &str) -> Vec<String> {
    problems(&inspected(&with_world(body), "w"))
}

#[test]
fn the_contract_fits_itself() {
    let inspection = inspected(super::wit::contract(), "plugin");
    assert_eq!(problems(&inspection), Vec::<String>::new());
    assert_eq!(
        inspection.handlers.interfaces().collect::<Vec<_>>(),
        ["on-room-join", "on-chat-push", "on-event"]
    );
    assert!(!inspection.uses_wasi());
}

#[test]
fn all_seven_combinations_of_handlers_are_told() {
    for mask in 1_u8..8 {
        let has = |bit: u8| mask & bit != 0;
        let export = |there: bool, name: &str| match there {
            true => format!("export hookbox:plugin/{name}@0.1.0;\n"),
            false => String::new(),
        };
        let world = format!(
            "world w {{\n{}{}{}}}",
            export(has(1), "on-room-join"),
            export(has(2), "on-chat-push"),
            export(has(4), "on-event")
        );
        let inspection = inspected(&with_world(&world), "w");
        let expected = Handlers {
            room_join: has(1),
            chat_push: has(2),
            event: has(4),
        };
        assert_eq!(inspection.handlers, expected);
        assert!(inspection.fits(), "{:?}", inspection.problems);
    }
}

#[test]
fn a_misspelt_field() {
    assert_eq!(
        diagnosis("message: string,", "mesage: string,"),
        ["on-chat-push.handle: parameter event: record chat-push: \
             field \"mesage\" isn't in the contract (did you mean \"message\"?)"]
    );
}

#[test]
fn a_missing_field() {
    assert_eq!(
        diagnosis("room-name: string,", ""),
        ["on-room-join.handle: parameter event: record room-join: field \"room-name\" is missing"]
    );
}

#[test]
fn an_additional_field() {
    assert_eq!(
        diagnosis("room-name: string,", "room-name: string, floor: u8,"),
        ["on-room-join.handle: parameter event: record room-join: \
             field \"floor\" isn't in the contract"]
    );
}

#[test]
fn a_field_of_another_type() {
    assert_eq!(
        diagnosis("participant-count: u32,", "participant-count: string,"),
        [
            "on-room-join.handle: parameter event: record room-join: field participant-count: \
             the type is string, and the contract says u32"
        ]
    );
}

#[test]
fn a_changed_alias_shows_what_it_means() {
    let said = diagnosis("type unix-seconds = f64;", "type unix-seconds = u64;");
    assert!(
        said.contains(
            &"on-chat-push.handle: parameter event: record chat-push: field timestamp: \
              the type is u64, and the contract says f64"
                .to_owned()
        ),
        "{said:#?}"
    );
}

#[test]
fn fields_in_another_order() {
    let swapped = |text: &str| {
        text.replace("role: role,", "ROLE")
            .replace("    message: string,", "    role: role,")
            .replace("ROLE", "message: string,")
    };
    let resolve = super::wit::parse(swapped).expect("parses");
    assert_eq!(
        problems(&inspected(&resolve, "plugin")),
        [
            "on-chat-push.handle: parameter event: record chat-push: the fields stand in another \
             order than in the contract, which is role, message, session-id, timestamp, raw"
        ]
    );
}

#[test]
fn a_missing_case_and_a_case_without_its_value() {
    assert_eq!(
        diagnosis(
            "as it was sent.\n    other(string),",
            "as it was sent.\n    other,"
        ),
        [
            "on-chat-push.handle: parameter event: record chat-push: field role: variant role: \
             case other: the type is without a value, and the contract says string"
        ]
    );
}

#[test]
fn another_error_type() {
    let said = diagnosis(
        "event: chat-push) -> result<_, handler-error>",
        "event: chat-push) -> result<_, string>",
    );
    assert_eq!(
        said,
        ["on-chat-push.handle: result: error: the type is string, \
             and the contract says the variant handler-error"]
    );
}

#[test]
fn a_function_without_result_or_with_other_parameters() {
    assert_eq!(
        diagnosis(
            "handle: func(meta: event-meta, body: string) -> result<_, handler-error>",
            "handle: func(body: string)",
        ),
        [
            "on-event.handle: it is `func(body: string)`, and the contract says \
             `func(meta: event-meta, body: string) -> result<_, handler-error>`"
        ]
    );
}

#[test]
fn a_renamed_function() {
    assert_eq!(
        diagnosis(
            "handle: func(meta: event-meta, body: string)",
            "handles: func(meta: event-meta, body: string)",
        ),
        ["on-event: function \"handle\" is missing (did you mean \"handles\"?)"]
    );
}

#[test]
fn a_difference_in_a_shared_type_is_told_once() {
    let said = diagnosis("attempt: u32,", "attempt: u64,");
    assert_eq!(said.len(), 1, "{said:#?}");
}

#[test]
fn another_version_of_the_contract() {
    let said = diagnosis(
        "package hookbox:plugin@0.1.0",
        "package hookbox:plugin@0.2.0",
    );
    assert!(
        said.contains(
            &"hookbox:plugin/on-chat-push@0.2.0: this is version 0.2.0, and this host knows 0.1.0"
                .to_owned()
        ),
        "{said:#?}"
    );
}

#[test]
fn another_draft_of_logging() {
    assert_eq!(
        diagnosis("0.1.0-draft", "0.1.0-draft2"),
        [
            "import wasi:logging/logging@0.1.0-draft2: this is version 0.1.0-draft2, \
             and this host knows 0.1.0-draft"
        ]
    );
}

#[test]
fn an_imported_function_of_another_shape() {
    assert_eq!(
        diagnosis(
            "log: func(level: level, context: string, message: string)",
            "log: func(level: level, message: string)",
        ),
        [
            "import wasi:logging/logging@0.1.0-draft.log: it is `func(level: level, message: string)`, \
             and the contract says `func(level: level, context: string, message: string)`"
        ]
    );
}

#[test]
fn no_handler_names_what_there_is() {
    let inspection = inspected(
        &with_world("interface tool { run: func(); } world w { export tool; }"),
        "w",
    );
    assert_eq!(
        problems(&inspection),
        ["the component exports no handler; it exports test:mine/tool"]
    );
    assert!(inspection.problems[0].advice().contains("on-chat-push"));
    assert_eq!(
        diagnosis_of_world("world w {}"),
        ["the component exports no handler; it exports nothing"]
    );
}

#[test]
fn the_right_name_at_the_wrong_place() {
    for world in [
        "world w { export on-event: func(body: string); }",
        "world w { export on-event: interface { handle: func(body: string); } }",
    ] {
        let inspection = inspected(&with_world(world), "w");
        assert_eq!(
            problems(&inspection),
            [
                "on-event: this stands outside of the contract's package, where the host doesn't look"
            ]
        );
        let advice = inspection.problems[0].advice();
        assert!(advice.contains("hookbox:plugin/on-event@0.1.0"), "{advice}");
    }
}

#[test]
fn other_exports_are_nobodys_business() {
    let said = diagnosis_of_world(
        "world w { export init: func(); export hookbox:plugin/on-event@0.1.0; }",
    );
    assert_eq!(said, Vec::<String>::new());
}

#[test]
fn a_handler_that_is_imported() {
    assert_eq!(
        diagnosis_of_world(
            "world w { import hookbox:plugin/on-event@0.1.0; \
                       export hookbox:plugin/on-room-join@0.1.0; }"
        ),
        [
            "import hookbox:plugin/on-event@0.1.0: the component imports this handler; \
             handlers are what a plugin exports"
        ]
    );
}

#[test]
fn imports_that_no_host_offers() {
    let mut resolve = with_world("interface files { open: func(); }");
    resolve
        .push_source(
            "http.wit",
            "package wasi:http@0.2.6; interface types { go: func(); }
             interface incoming-handler { go: func(); }",
        )
        .expect("parses");
    resolve
        .push_source(
            "io.wit",
            "package wasi:io@0.2.6; interface poll { poll: func(); }",
        )
        .expect("parses");
    resolve
        .push_source(
            "clocks.wit",
            "package wasi:clocks@0.3.0; interface wall-clock { now: func(); }",
        )
        .expect("parses");
    let world = "package test:importer; world importer {
        import test:mine/files; import wasi:http/types@0.2.6;
        import wasi:http/incoming-handler@0.2.6; import wasi:io/poll@0.2.6;
        import wasi:clocks/wall-clock@0.3.0; import plain: func();
        export hookbox:plugin/on-event@0.1.0; }";
    resolve.push_source("importer.wit", world).expect("parses");

    let inspection = inspected(&resolve, "importer");

    let mut said = problems(&inspection);
    said.sort();
    assert_eq!(
        said,
        [
            "import plain: the component imports this, and the host doesn't offer it",
            "import test:mine/files: the component imports this, and the host doesn't offer it",
            "import wasi:clocks/wall-clock@0.3.0: this is version 0.3.0, and this host knows 0.2",
            "import wasi:http/incoming-handler@0.2.6: the component imports this, and the host doesn't offer it",
        ]
    );
    assert!(inspection.uses_wasi(), "wasi:io is offered");
}

#[test]
fn an_unknown_interface_of_the_contract() {
    let resolve = edited("on-chat-push", "on-chatpush");
    let said = problems(&inspected(&resolve, "plugin"));
    assert_eq!(
        said,
        [
            "hookbox:plugin/on-chatpush@0.1.0: the contract has no such interface \
             (did you mean \"on-chat-push\"?)"
        ]
    );
}

#[test]
fn counters_outbox_and_key_value_are_offered() {
    let world = "world w {
        import hookbox:plugin/counters@0.1.0; import hookbox:plugin/outbox@0.1.0;
        import wasi:keyvalue/store@0.2.0-draft2; import wasi:keyvalue/atomics@0.2.0-draft2;
        import wasi:keyvalue/batch@0.2.0-draft2; export hookbox:plugin/on-event@0.1.0; }";
    let inspection = inspected(&with_world(world), "w");
    assert_eq!(problems(&inspection), Vec::<String>::new());
    let imports: Vec<_> = inspection.imports.iter().map(|item| &*item.name).collect();
    assert!(
        imports.contains(&"wasi:keyvalue/batch@0.2.0-draft2"),
        "{imports:?}"
    );
}

#[test]
fn another_draft_of_key_value() {
    let said = diagnosis("0.2.0-draft2", "0.2.0-draft");
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(
        said.contains(
            &"import wasi:keyvalue/store@0.2.0-draft: this is version 0.2.0-draft, \
              and this host knows 0.2.0-draft2"
                .to_owned()
        ),
        "{said:#?}"
    );
}

#[test]
fn a_method_of_a_resource_with_another_result() {
    assert_eq!(
        diagnosis(
            "exists: func(key: string) -> result<bool, error>",
            "exists: func(key: string) -> result<string, error>",
        ),
        [
            "import wasi:keyvalue/store@0.2.0-draft2.[method]bucket.exists: result: ok: \
             the type is string, and the contract says bool"
        ]
    );
}

#[test]
fn a_key_value_interface_that_the_host_doesnt_have() {
    let Offer::Refused(What::NotOffered { advice }) = offer("wasi:keyvalue/watcher@0.2.0-draft2")
    else {
        panic!("it isn't offered");
    };
    assert!(advice.contains("store, atomics and batch"), "{advice}");
}
