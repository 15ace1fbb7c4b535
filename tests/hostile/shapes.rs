//! Components that no toolchain would make.

use std::path::Path;

use hookbox::contract;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

use crate::drops::harmless;

/// The header of a component.
pub(crate) const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// The sections of components that are used here.
const CORE_CUSTOM: u8 = 0;
const COMPONENT: u8 = 4;
const INSTANCE: u8 = 5;

/// A component with the shape of `world w`, whose functions trap. `packages` are
/// texts of WIT that it needs; `contract` says whether the host's own is known.
pub(crate) fn of_wit(contract: bool, packages: &[&str], world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    if contract {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        resolve.push_dir(&wit).expect("the contract parses");
    }
    for package in packages {
        resolve.push_source("own.wit", package).expect("it parses");
    }
    let text = format!("package test:mine;\nworld w {{ {world} }}");
    let package = resolve.push_source("w.wit", &text).expect("it parses");
    let world = resolve.select_world(&[package], Some("w")).expect("w");
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the metadata fits");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the module fits")
}

/// A number in LEB128.
pub(crate) fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A section of that kind.
pub(crate) fn section(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind], &*leb(content.len()), content].concat()
}

/// A custom section.
pub(crate) fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    section(
        CORE_CUSTOM,
        &[&*leb(name.len()), name.as_bytes(), content].concat(),
    )
}

/// A component in a component in a component …
pub(crate) fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(HEADER.to_vec(), |inner, _| {
        [HEADER, &section(COMPONENT, &inner)].concat()
    })
}

/// A good plugin with one more component in it, which is instantiated as well.
pub(crate) fn with_inner(inner: &str) -> Vec<u8> {
    let base = harmless("with something inside");
    let inner = section(COMPONENT, &wat::parse_str(inner).expect("good text"));
    // One more than there are by now.
    let with_index = |index: u8| {
        let instance = section(INSTANCE, &[1, 0, index, 0]);
        [&*base, &*inner, &*instance].concat()
    };
    let mut all = (0..8).rev().map(with_index);
    let fits = all.find(|bytes| contract::read(bytes).is_ok_and(|(_, found)| found.fits()));
    fits.expect("one of the indices is that of the inner one")
}
