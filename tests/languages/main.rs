//! The contract isn't Rust's alone: plugins in C and JavaScript, built from
//! `wit/` with their languages' own tools, fit it.

mod setup;

use std::path::Path;

use hookbox::contract::{self, Inspection};

fn inspected(plugin: &Path) -> Inspection {
    let bytes = std::fs::read(plugin).expect("the plugin was built");
    let (_, inspection) = contract::read(&bytes).expect("the plugin can be read");
    inspection
}

#[test]
fn a_plugin_in_c_fits_as_the_compiler_writes_it() {
    let plugin = setup::c_plugin().unwrap_or_else(|error| panic!("{error}"));

    let inspection = inspected(&plugin);

    assert!(inspection.fits(), "{:#?}", inspection.problems);
    let handlers: Vec<_> = inspection.handlers.interfaces().collect();
    assert_eq!(handlers, ["on-chat-push"]);
    assert!(!inspection.uses_wasi(), "C needs none for this");
}

#[test]
fn a_plugin_in_javascript_fits_with_the_wasi_that_its_runtime_imports() {
    let plugin = setup::js_plugin().unwrap_or_else(|error| panic!("{error}"));

    let inspection = inspected(&plugin);

    assert!(inspection.fits(), "{:#?}", inspection.problems);
    let handlers: Vec<_> = inspection.handlers.interfaces().collect();
    assert_eq!(handlers, ["on-room-join", "on-chat-push", "on-event"]);
    assert!(inspection.uses_wasi(), "nothing was stubbed");
}
