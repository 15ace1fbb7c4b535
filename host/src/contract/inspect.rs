//! What a component exports and imports, and how that fits the contract.

use serde::{Deserialize, Serialize};
use wit_component::DecodedWasm;
use wit_parser::{Interface, Resolve, World, WorldItem};

use super::circles::Graph;
use super::compare::Comparison;
use super::offers::{Name, Offer, nearest_interface, offer};
use super::outline::is_wit_package;
use super::problem::{Problem, What};
use super::read::{Kind, ReadError, contained, kind, validate};
use super::render::{clip, function_text, printable, type_text};
use super::wit::{PACKAGE, VERSION, contract, full_name, interface};
use crate::types::{Handler, Handlers};

/// An interface of more parts than these is no plugin's.
const MAX_ITEMS: usize = 2_000;

/// What a component is made of, seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The handlers of the contract that it exports.
    pub handlers: Handlers,
    /// Everything that it exports.
    pub exports: Vec<Item>,
    /// Everything that it imports.
    pub imports: Vec<Item>,
    /// What doesn't fit; empty for a component that the host can run.
    pub problems: Vec<Problem>,
}

impl Inspection {
    /// Whether the host can run it.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether it imports WASI 0.2: one that doesn't needs no WASI context.
    #[must_use]
    pub fn uses_wasi(&self) -> bool {
        let mut imports = self.imports.iter();
        imports.any(|import| offer(&import.name) == Offer::Wasi)
    }
}

/// One export or import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// An interface's full name, such as `wasi:logging/logging@0.1.0-draft`, or
    /// the plain name of a function or type.
    pub name: String,
    /// The functions with their types: `log: func(level: level, …)`. A plain
    /// function is its own only entry; a type has none.
    pub functions: Vec<String>,
}

/// Decodes a component and compares it with the contract. It is validated first.
///
/// # Errors
/// When the bytes are no valid component, or its interface can't be decoded.
pub fn inspect(component: &[u8]) -> Result<Inspection, ReadError> {
    if kind(component)? == Kind::Core {
        return Err(ReadError::Decode(
            "it is a core module, which has to be turned into a component first".into(),
        ));
    }
    let types = validate(component)?;
    let is_package = is_wit_package(component, &types);
    if is_package.map_err(|error| ReadError::Invalid(printable(&error.to_string())))? {
        return Err(ReadError::WitPackage);
    }
    let mut graph = Graph::default();
    graph.add_component(component, &types)?;
    graph.check()?;
    contained(|| decode(component))
        .unwrap_or_else(|| Err(ReadError::Decode("it is malformed".into())))
}

fn decode(component: &[u8]) -> Result<Inspection, ReadError> {
    let decoded = wit_component::decode(component)
        .map_err(|error| ReadError::Decode(printable(&format!("{error:#}"))))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(ReadError::WitPackage);
    };
    let world = &resolve.worlds[world];
    let total = size(&resolve, world);
    if total > MAX_ITEMS {
        return Err(ReadError::TooManyItems(total, MAX_ITEMS));
    }

    let mut comparison = Comparison::new(&resolve, contract());
    let handlers = check_exports(&mut comparison, &resolve, world);
    check_imports(&mut comparison, &resolve, world);
    Ok(Inspection {
        handlers,
        exports: items(&resolve, &world.exports),
        imports: items(&resolve, &world.imports),
        problems: comparison.into_problems(),
    })
}

fn check_exports(comparison: &mut Comparison<'_>, resolve: &Resolve, world: &World) -> Handlers {
    let mut handlers = Handlers::default();
    for (key, item) in &world.exports {
        let name = resolve.name_world_key(key);
        match (known_handler(&name), item) {
            (Some(handler), WorldItem::Interface { id, .. }) => {
                *flag(&mut handlers, handler) = true;
                if let Some(wanted) = interface(&name) {
                    let found = &resolve.interfaces[*id];
                    comparison.exported(handler.interface(), found, wanted);
                }
            }
            _ => {
                if let Some(what) = export_problem(&name) {
                    comparison.note(&clip(&name), what);
                }
            }
        }
    }
    if !handlers.any() && !comparison.any() {
        let exports = exports_text(resolve, world);
        comparison.note("", What::NoHandler { exports });
    }
    handlers
}

/// What is wrong with an export that is no handler; other exports are nobody's
/// business: language runtimes add their own.
fn export_problem(name: &str) -> Option<What> {
    let misplaced = |handler: Handler| What::Misplaced {
        belongs: full_name(handler.interface()),
    };
    match Name::parse(name) {
        None => handler_named(name).map(misplaced),
        Some(parts) if parts.package != PACKAGE => handler_named(parts.interface).map(misplaced),
        Some(parts) if interface(&full_name(parts.interface)).is_some() => {
            let found = parts.version.unwrap_or("none");
            (found != VERSION).then(|| What::Version {
                found: found.into(),
                known: VERSION.into(),
            })
        }
        Some(parts) => Some(What::UnknownInterface {
            nearest: nearest_interface(parts.interface),
        }),
    }
}

fn check_imports(comparison: &mut Comparison<'_>, resolve: &Resolve, world: &World) {
    for (key, item) in &world.imports {
        let name = resolve.name_world_key(key);
        match (offer(&name), item) {
            (_, WorldItem::Type { .. }) | (Offer::Wasi, _) => {}
            (Offer::Contract, WorldItem::Interface { id, .. }) => {
                if let Some(wanted) = interface(&name) {
                    let place = format!("import {name}");
                    comparison.imported(&place, &resolve.interfaces[*id], wanted);
                }
            }
            (Offer::Contract, WorldItem::Function(_)) => {}
            (Offer::Refused(what), _) => {
                comparison.note(&format!("import {}", clip(&name)), what);
            }
        }
    }
}

const HANDLERS: [Handler; 3] = [Handler::RoomJoin, Handler::ChatPush, Handler::Event];

fn known_handler(name: &str) -> Option<Handler> {
    let named = |handler: &Handler| full_name(handler.interface()) == name;
    HANDLERS.into_iter().find(named)
}

fn handler_named(plain: &str) -> Option<Handler> {
    let named = |handler: &Handler| handler.interface() == plain;
    HANDLERS.into_iter().find(named)
}

fn flag(handlers: &mut Handlers, handler: Handler) -> &mut bool {
    match handler {
        Handler::RoomJoin => &mut handlers.room_join,
        Handler::ChatPush => &mut handlers.chat_push,
        Handler::Event => &mut handlers.event,
    }
}

fn size(resolve: &Resolve, world: &World) -> usize {
    let items = world.imports.values().chain(world.exports.values());
    let parts = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => 1 + resolve.interfaces[*id].functions.len(),
        WorldItem::Function(_) | WorldItem::Type { .. } => 1,
    };
    items.map(parts).sum()
}

fn items<'a>(
    resolve: &Resolve,
    of: impl IntoIterator<Item = (&'a wit_parser::WorldKey, &'a WorldItem)>,
) -> Vec<Item> {
    let item = |(key, item): (&wit_parser::WorldKey, &WorldItem)| {
        let name = resolve.name_world_key(key);
        let functions = match item {
            WorldItem::Interface { id, .. } => functions(resolve, &resolve.interfaces[*id]),
            WorldItem::Function(f) => {
                vec![format!("{}: {}", clip(&f.name), function_text(resolve, f))]
            }
            WorldItem::Type { id, .. } => {
                let ty = type_text(resolve, wit_parser::Type::Id(*id));
                return Item {
                    name: ty,
                    functions: Vec::new(),
                };
            }
        };
        Item {
            name: clip(&name).into_owned(),
            functions,
        }
    };
    of.into_iter().map(item).collect()
}

fn functions(resolve: &Resolve, interface: &Interface) -> Vec<String> {
    let functions = interface.functions.iter();
    functions
        .map(|(name, f)| format!("{}: {}", clip(name), function_text(resolve, f)))
        .collect()
}

fn exports_text(resolve: &Resolve, world: &World) -> String {
    const SHOWN: usize = 8;
    if world.exports.is_empty() {
        return "nothing".into();
    }
    let name = |key| clip(&resolve.name_world_key(key)).into_owned();
    let names: Vec<_> = world.exports.keys().take(SHOWN).map(name).collect();
    match world.exports.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
