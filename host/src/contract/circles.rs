//! Finds interfaces that depend on each other in a circle.
//!
//! WIT text can't say that, but bytes can, and wit-component follows such a
//! circle until the stack is used up, which nothing can catch. So the
//! descriptions in a core module are looked at first, all together: each may be
//! free of circles and their sum not.

use std::collections::{HashMap, HashSet};

use wasmparser::{Parser, Payload};
use wit_parser::Resolve;
use wit_parser::decoding::decode_world;

use super::read::{ReadError, contained};
use super::render::{clip, printable};

/// More interfaces than these are no plugin's; the search takes the square of it.
const MAX_NODES: usize = 2_000;

/// Which package or interface depends on which, by name.
#[derive(Default)]
pub(super) struct Graph {
    edges: HashMap<String, HashSet<String>>,
}

impl Graph {
    /// Adds what the `component-type` sections of a module describe.
    pub(super) fn add_module(&mut self, module: &[u8]) -> Result<(), ReadError> {
        for payload in Parser::new(0).parse_all(module) {
            let payload =
                payload.map_err(|error| ReadError::Invalid(printable(&error.to_string())))?;
            match payload {
                Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                    let data = section.data();
                    let added =
                        contained(|| decode_world(data).map(|(resolve, _)| edges(&resolve)));
                    let edges = match added {
                        Some(Ok(edges)) => edges,
                        Some(Err(error)) => {
                            return Err(ReadError::Encode(printable(&format!("{error:#}"))));
                        }
                        None => return Err(malformed()),
                    };
                    for (from, to) in edges {
                        self.edges.entry(from).or_default().insert(to);
                    }
                }
                _ => {}
            }
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
            Some(name) => Err(ReadError::Encode(format!(
                "the description of its interface goes in a circle at {}",
                clip(name)
            ))),
        }
    }
}

fn malformed() -> ReadError {
    ReadError::Encode("the description of its interface is malformed".into())
}

fn edges(resolve: &Resolve) -> Vec<(String, String)> {
    let mut edges = Vec::new();
    for (id, package) in resolve.packages.iter() {
        for dependency in resolve.package_direct_deps(id) {
            let dependency = &resolve.packages[dependency].name;
            edges.push((package.name.to_string(), dependency.to_string()));
        }
    }
    for (id, _) in resolve.interfaces.iter() {
        for dependency in resolve.interface_direct_deps(id) {
            edges.extend(resolve.id_of(id).zip(resolve.id_of(dependency)));
        }
    }
    edges
}
