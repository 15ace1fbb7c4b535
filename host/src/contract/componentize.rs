//! Core modules made by wit-bindgen become components, so that what a compiler
//! writes can be dropped in as it is.

use std::borrow::Cow;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use super::circles::Graph;
use super::read::{Kind, ReadError, contained, kind, validate};
use super::render::{clip, printable};

/// Gives back a component as it is, and turns a core module that carries a
/// `component-type` section into one. A module that imports WASI preview 1
/// gets the adapter that answers it with WASI 0.2.
///
/// # Errors
/// When the bytes are neither; the message says what they are and what to do.
pub fn componentize(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ReadError> {
    match kind(bytes)? {
        Kind::Component => Ok(Cow::Borrowed(bytes)),
        Kind::Core => {
            validate(bytes)?;
            let outline = outline(bytes)?;
            if !outline.component_type {
                let exports = list(&outline.exports);
                return Err(ReadError::NoComponentType { exports });
            }
            let mut graph = Graph::default();
            graph.add_module(bytes)?;
            if outline.preview1 {
                graph.add_module(REACTOR_ADAPTER)?;
            }
            graph.check()?;
            contained(|| encode(bytes, outline.preview1))
                .unwrap_or_else(|| Err(ReadError::Encode("its interface is malformed".into())))
                .map(Cow::Owned)
        }
    }
}

/// What matters of a core module here.
#[derive(Default)]
struct Outline {
    component_type: bool,
    preview1: bool,
    exports: Vec<String>,
}

fn outline(module: &[u8]) -> Result<Outline, ReadError> {
    let invalid =
        |error: wasmparser::BinaryReaderError| ReadError::Invalid(printable(&error.to_string()));
    let mut outline = Outline::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(invalid)? {
            Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                outline.component_type = true;
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    outline.preview1 |= import.map_err(invalid)?.module == PREVIEW1;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    outline.exports.push(export.map_err(invalid)?.name.into());
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}

fn encode(module: &[u8], preview1: bool) -> Result<Vec<u8>, ReadError> {
    let failed = |error: anyhow::Error| ReadError::Encode(printable(&format!("{error:#}")));
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .map_err(failed)?;
    if preview1 {
        encoder = encoder.adapter(PREVIEW1, REACTOR_ADAPTER).map_err(failed)?;
    }
    encoder.encode().map_err(failed)
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return "nothing".into();
    }
    let quoted: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{}`", printable(&clip(name))))
        .collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    quoted.join(", ") + &more
}
