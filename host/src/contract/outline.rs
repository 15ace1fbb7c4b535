//! A component's outline: the names of what it imports and exports, as the
//! validator and the parser see them, before anything is decoded.

use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::Types;
use wasmparser::{Parser, Payload};

/// The names of a component's own imports and exports, in their order.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) imports: Vec<&'a str>,
    pub(super) exports: Vec<&'a str>,
}

pub(super) fn outer_names(component: &[u8]) -> wasmparser::Result<Names<'_>> {
    let mut names = Names::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    names.imports.push(import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    names.exports.push(export?.name.name);
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// Whether a component is a WIT package: all that it does is to export worlds
/// and interfaces as types. It is told here, since decoding one is of no use.
pub(super) fn is_wit_package(component: &[u8], types: &Types) -> wasmparser::Result<bool> {
    let names = outer_names(component)?;
    let exports_a_description = |name: &&str| {
        let item = types.as_ref().component_item_for_export(name);
        item.is_some_and(|item| {
            matches!(
                item.ty,
                ComponentEntityType::Type {
                    created: ComponentAnyTypeId::Component(_),
                    ..
                }
            )
        })
    };
    Ok(names.imports.is_empty()
        && !names.exports.is_empty()
        && names.exports.iter().all(exports_a_description))
}
