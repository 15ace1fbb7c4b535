//! The contract's tests: what fits, what doesn't and what is said about it, and
//! bytes of every kind.

mod bytes;
mod diagnosis;
mod own;

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

use super::{Inspection, inspect, wit};

/// A core module with the given world's shape, as wit-bindgen would leave it.
/// Its functions trap; nothing here calls them.
fn module(resolve: &Resolve, world: &str) -> Vec<u8> {
    let (world, _) = resolve
        .worlds
        .iter()
        .find(|(_, candidate)| candidate.name == world)
        .expect("the world exists");
    let mut module = dummy_module(resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .expect("metadata can be embedded");
    module
}

/// A component with the given world's shape.
fn component(resolve: &Resolve, world: &str) -> Vec<u8> {
    ComponentEncoder::default()
        .module(&module(resolve, world))
        .expect("the module is read")
        .encode()
        .expect("the module becomes a component")
}

/// The contract after replacing `from` by `to` in its text.
fn edited(from: &str, to: &str) -> Resolve {
    let touched = std::cell::Cell::new(false);
    let resolve = wit::parse(|text| {
        touched.set(touched.get() || text.contains(from));
        text.replace(from, to)
    });
    assert!(touched.get(), "{from:?} isn't in wit/");
    resolve.expect("the edited contract parses")
}

/// The contract together with a package of its own that declares `world w`.
fn with_world(body: &str) -> Resolve {
    let mut resolve = wit::parse(str::to_owned).expect("the contract parses");
    let source = format!("package test:mine;\n{body}");
    resolve
        .push_source("mine.wit", &source)
        .expect("the test's own WIT parses");
    resolve
}

fn inspected(resolve: &Resolve, world: &str) -> Inspection {
    inspect(&component(resolve, world)).expect("the component can be read")
}

/// The problems as text, one a line.
fn problems(inspection: &Inspection) -> Vec<String> {
    inspection
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}
