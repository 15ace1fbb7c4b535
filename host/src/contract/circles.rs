//! Finds packages and interfaces that depend on each other in a circle.
//!
//! WIT text can't say that, but bytes can, and the decoder of component
//! interfaces follows such a circle until the stack is used up, which nothing
//! can catch. So the validator's own view of the types, which has no such
//! weakness, is asked first: of a component, and of the descriptions
//! (`component-type` sections) in a core module. The latter all together, since
//! each may be free of circles and their sum not.

use std::collections::{HashMap, HashSet};

use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentItem};
use wasmparser::types::{Types, TypesRef};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::offers::Name;
use super::outline::outer_names;
use super::read::{ReadError, contained};
use super::render::{clip, printable};

/// More packages and interfaces than these are no plugin's. The search takes the
/// square of it, and the decoder's recursion can get that deep.
const MAX_NODES: usize = 2_000;

/// The name of the package that the decoder invents for a component.
const ROOT: &str = "root:component";

/// Which package or interface depends on which, by name.
#[derive(Default)]
pub(super) struct Graph {
    edges: HashMap<String, HashSet<String>>,
}

impl Graph {
    /// Adds what a component imports and exports. `types` come from its validation.
    pub(super) fn add_component(
        &mut self,
        component: &[u8],
        types: &Types,
    ) -> Result<(), ReadError> {
        let read = || -> wasmparser::Result<Vec<_>> {
            let types = types.as_ref();
            let names = outer_names(component)?;
            let imports = names.imports.into_iter();
            let imports = imports.map(|name| (name, types.component_item_for_import(name)));
            let exports = names.exports.into_iter();
            let exports = exports.map(|name| (name, types.component_item_for_export(name)));
            let items = imports.chain(exports);
            let items = items.filter_map(|(name, item)| Some((name, item?)));
            Ok(edges(types, ROOT, items))
        };
        self.add(contained(read))
    }

    /// Adds what the `component-type` sections of a core module describe.
    pub(super) fn add_module(&mut self, module: &[u8]) -> Result<(), ReadError> {
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.map_err(|error| invalid(&error))?;
            match payload {
                Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                    let data = section.data();
                    if data.first() == Some(&3) {
                        return Err(ReadError::Encode(
                            "it was made by wit-bindgen of 2023 or older: build it with a current one"
                                .into(),
                        ));
                    }
                    self.add(contained(|| description(data)))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        found: Option<wasmparser::Result<Vec<(String, String)>>>,
    ) -> Result<(), ReadError> {
        let edges = match found {
            Some(Ok(edges)) => edges,
            Some(Err(error)) => return Err(invalid(&error)),
            None => return Err(ReadError::Invalid("its interface is malformed".into())),
        };
        for (from, to) in edges {
            self.edges.entry(from).or_default().insert(to);
        }
        Ok(())
    }

    /// An error if anything depends on itself, over whatever detour.
    pub(super) fn check(mut self) -> Result<(), ReadError> {
        if self.edges.len() > MAX_NODES {
            return Err(ReadError::TooManyItems(self.edges.len(), MAX_NODES));
        }
        // What depends on nothing that is left can't be part of a circle.
        loop {
            let left: HashSet<String> = self.edges.keys().cloned().collect();
            self.edges.retain(|_, to| {
                to.retain(|name| left.contains(name));
                !to.is_empty()
            });
            if self.edges.len() == left.len() {
                break;
            }
        }
        match self.edges.keys().min() {
            None => Ok(()),
            Some(name) => Err(ReadError::Decode(format!(
                "its description goes in a circle at {}",
                printable(&clip(name))
            ))),
        }
    }
}

fn invalid(error: &wasmparser::BinaryReaderError) -> ReadError {
    ReadError::Invalid(printable(&error.to_string()))
}

/// The edges of a world that is described in a `component-type` section: a
/// component that exports one component type, whose one export is the world.
fn description(data: &[u8]) -> wasmparser::Result<Vec<(String, String)>> {
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(data)?;
    let types = types.as_ref();
    let names = outer_names(data)?;
    let mut found = Vec::new();
    for name in names.exports {
        let Some(ComponentEntityType::Type { referenced, .. }) =
            types.component_item_for_export(name).map(|item| item.ty)
        else {
            continue;
        };
        let ComponentAnyTypeId::Component(outer) = referenced else {
            continue;
        };
        for (world, item) in &types[outer].exports {
            if let ComponentEntityType::Component(world_type) = item.ty {
                let world_type = &types[world_type];
                let items = world_type.imports.iter().chain(&world_type.exports);
                let items = items.map(|(name, item)| (name.as_str(), item));
                found.extend(edges(types, world, items));
            }
        }
    }
    Ok(found)
}

/// Walks over a world's imports and exports in their order, as the decoder does.
/// An interface depends on the one that a type of it comes from.
fn edges<'a>(
    types: TypesRef<'_>,
    world: &str,
    items: impl Iterator<Item = (&'a str, &'a ComponentItem)>,
) -> Vec<(String, String)> {
    let mut edges = Vec::new();
    let mut owners: HashMap<ComponentAnyTypeId, &str> = HashMap::new();
    for (name, item) in items {
        let ComponentEntityType::Instance(instance) = item.ty else {
            continue;
        };
        // A plain name is an interface of the world's own package.
        let package_of = |name: &str| package(name).unwrap_or_else(|| package_or_self(world));
        edges.push((package_or_self(world), package_of(name)));
        for exported in types[instance].exports.values() {
            let ComponentEntityType::Type {
                referenced,
                created,
            } = exported.ty
            else {
                continue;
            };
            if let Some(owner) = owner(types, &owners, referenced) {
                edges.push((name.to_owned(), owner.to_owned()));
                edges.push((package_of(name), package_of(owner)));
            }
            owners.insert(created, name);
        }
    }
    edges.retain(|(from, to)| from != to);
    edges
}

fn owner<'a>(
    types: TypesRef<'_>,
    owners: &HashMap<ComponentAnyTypeId, &'a str>,
    of: ComponentAnyTypeId,
) -> Option<&'a str> {
    let mut next = Some(of);
    while let Some(id) = next {
        if let Some(owner) = owners.get(&id) {
            return Some(owner);
        }
        next = types.peel_alias(id);
    }
    None
}

/// The package of an interface's full name, with its version.
fn package(full_name: &str) -> Option<String> {
    let name = Name::parse(full_name)?;
    Some(match name.version {
        Some(version) => format!("package {}@{version}", name.package),
        None => format!("package {}", name.package),
    })
}

fn package_or_self(world: &str) -> String {
    package(world).unwrap_or_else(|| format!("package {world}"))
}
