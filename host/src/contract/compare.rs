//! Compares parts of a component with the same parts of the contract, down to
//! the last field, and notes each difference once with its place.
//!
//! By structure, not by the names of types: that is how the host links, and a
//! component may define the contract's records where it likes.

use std::collections::HashSet;

use wit_parser::{Function, Handle, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId};

use super::problem::{Problem, What, nearest};
use super::render::{clip, function_text, optional_type_text, type_text};

/// More problems than these help nobody, and the list comes from outside.
const MAX_PROBLEMS: usize = 50;

/// A comparison under way.
pub(super) struct Comparison<'a> {
    found: &'a Resolve,
    wanted: &'a Resolve,
    /// Pairs that were compared: types are shared, and one difference is one problem.
    seen: HashSet<(TypeId, TypeId)>,
    problems: Vec<Problem>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(found: &'a Resolve, wanted: &'a Resolve) -> Self {
        Self {
            found,
            wanted,
            seen: HashSet::new(),
            problems: Vec::new(),
        }
    }

    /// Notes a problem, as long as there aren't too many.
    pub(super) fn note(&mut self, place: &str, what: What) {
        let what = match self.problems.len() {
            0..MAX_PROBLEMS => what,
            MAX_PROBLEMS => What::More,
            _ => return,
        };
        let place = if what == What::More { "" } else { place }.into();
        self.problems.push(Problem { place, what });
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Whether there is any problem so far.
    pub(super) fn any(&self) -> bool {
        !self.problems.is_empty()
    }

    /// An interface that the component exports: all of the contract's functions
    /// must be there. More than these are nobody's business.
    pub(super) fn exported(&mut self, place: &str, found: &Interface, wanted: &Interface) {
        for (name, expected) in &wanted.functions {
            match found.functions.get(name) {
                Some(function) => self.functions(&format!("{place}.{name}"), function, expected),
                None => {
                    let nearest = nearest(name, found.functions.keys().map(String::as_str))
                        .filter(|other| !wanted.functions.contains_key(other));
                    let function = name.clone();
                    self.note(place, What::MissingFunction { function, nearest });
                }
            }
        }
    }

    /// An interface that the component imports: the host must have each function
    /// and type of it. Fewer than the host has are fine.
    pub(super) fn imported(&mut self, place: &str, found: &Interface, wanted: &Interface) {
        for (name, function) in &found.functions {
            match wanted.functions.get(name) {
                Some(expected) => self.functions(&format!("{place}.{name}"), function, expected),
                None => {
                    let nearest = nearest(name, wanted.functions.keys().map(String::as_str));
                    let function = clip(name).into_owned();
                    self.note(place, What::UnknownFunction { function, nearest });
                }
            }
        }
        for (name, id) in &found.types {
            if let Some(expected) = wanted.types.get(name) {
                self.types(place, Type::Id(*id), Type::Id(*expected));
            }
        }
    }

    fn functions(&mut self, place: &str, found: &Function, wanted: &Function) {
        let names = |function: &Function| -> Vec<String> {
            function.params.iter().map(|p| p.name.clone()).collect()
        };
        let same_shape = names(found) == names(wanted)
            && found.kind.is_async() == wanted.kind.is_async()
            && found.result.is_some() == wanted.result.is_some();
        if !same_shape {
            let expected = function_text(self.wanted, wanted);
            let found = function_text(self.found, found);
            return self.note(place, What::Signature { expected, found });
        }
        for (found, wanted) in found.params.iter().zip(&wanted.params) {
            let place = format!("{place}: parameter {}", wanted.name);
            self.types(&place, found.ty, wanted.ty);
        }
        if let (Some(found), Some(wanted)) = (found.result, wanted.result) {
            self.types(&format!("{place}: result"), found, wanted);
        }
    }

    /// The recursion follows the contract's types, so it is as deep as these are.
    fn types(&mut self, place: &str, found: Type, wanted: Type) {
        let (found, wanted) = (unalias(self.found, found), unalias(self.wanted, wanted));
        let (Type::Id(found_id), Type::Id(wanted_id)) = (found, wanted) else {
            if found != wanted {
                self.different(place, Some(found), Some(wanted));
            }
            return;
        };
        if !self.seen.insert((found_id, wanted_id)) {
            return;
        }
        let (found_resolve, wanted_resolve) = (self.found, self.wanted);
        let (found_def, wanted_def) = (
            &found_resolve.types[found_id],
            &wanted_resolve.types[wanted_id],
        );
        match (&found_def.kind, &wanted_def.kind) {
            (TypeDefKind::Option(found), TypeDefKind::Option(wanted))
            | (TypeDefKind::List(found), TypeDefKind::List(wanted)) => {
                self.types(place, *found, *wanted);
            }
            (TypeDefKind::Result(found), TypeDefKind::Result(wanted)) => {
                self.optional(&format!("{place}: ok"), found.ok, wanted.ok);
                self.optional(&format!("{place}: error"), found.err, wanted.err);
            }
            (TypeDefKind::Tuple(found), TypeDefKind::Tuple(wanted))
                if found.types.len() == wanted.types.len() =>
            {
                for (found, wanted) in found.types.iter().zip(&wanted.types) {
                    self.types(place, *found, *wanted);
                }
            }
            (TypeDefKind::Handle(Handle::Own(found)), TypeDefKind::Handle(Handle::Own(wanted)))
            | (
                TypeDefKind::Handle(Handle::Borrow(found)),
                TypeDefKind::Handle(Handle::Borrow(wanted)),
            ) => self.types(place, Type::Id(*found), Type::Id(*wanted)),
            // Both stand in interfaces of the same name, which the caller compares.
            (TypeDefKind::Resource, TypeDefKind::Resource) if found_def.name == wanted_def.name => {
            }
            _ => match (parts(found_def), parts(wanted_def)) {
                (Some(found), Some(wanted)) if found.shape == wanted.shape => {
                    let name = wanted_def.name.as_deref().unwrap_or_default();
                    let place = format!("{place}: {} {name}", wanted.shape);
                    self.parts(place.trim_end(), &found, &wanted);
                }
                _ => self.different(place, Some(found), Some(wanted)),
            },
        }
    }

    fn optional(&mut self, place: &str, found: Option<Type>, wanted: Option<Type>) {
        match (found, wanted) {
            (None, None) => {}
            (Some(found), Some(wanted)) => self.types(place, found, wanted),
            (found, wanted) => self.different(place, found, wanted),
        }
    }

    fn different(&mut self, place: &str, found: Option<Type>, wanted: Option<Type>) {
        let expected = described(self.wanted, wanted);
        let found = described(self.found, found);
        self.note(place, What::Type { expected, found });
    }

    /// Fields of a record, cases of a variant or enum, flags.
    fn parts(&mut self, place: &str, found: &Parts<'_>, wanted: &Parts<'_>) {
        let part = || wanted.part.to_owned();
        let before = self.problems.len();
        let found_names: HashSet<_> = found.names().collect();
        let wanted_names: HashSet<_> = wanted.names().collect();
        let mut meant = HashSet::new();
        for name in found.names().filter(|name| !wanted_names.contains(name)) {
            if self.problems.len() > MAX_PROBLEMS {
                return;
            }
            let absent = wanted.names().filter(|name| !found_names.contains(name));
            let nearest = nearest(name, absent);
            meant.extend(nearest.clone());
            let (part, name) = (part(), clip(name).into_owned());
            self.note(
                place,
                What::Extra {
                    part,
                    name,
                    nearest,
                },
            );
        }
        for name in wanted.names().filter(|name| !found_names.contains(name)) {
            // A misspelt field is one problem, not two.
            if !meant.contains(name) {
                let (part, name) = (part(), name.to_owned());
                self.note(place, What::Missing { part, name });
            }
        }
        if self.problems.len() == before && !found.names().eq(wanted.names()) {
            let expected = wanted.names().collect::<Vec<_>>().join(", ");
            let part = part();
            self.note(place, What::Order { part, expected });
        }
        for (name, wanted_type) in &wanted.list {
            if let Some((_, found_type)) = found.list.iter().find(|(other, _)| other == name) {
                let place = format!("{place}: {} {name}", wanted.part);
                self.optional(&place, *found_type, *wanted_type);
            }
        }
    }
}

/// What a record, variant, enum or flags type consists of.
struct Parts<'a> {
    shape: &'static str,
    part: &'static str,
    list: Vec<(&'a str, Option<Type>)>,
}

impl<'a> Parts<'a> {
    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.list.iter().map(|(name, _)| *name)
    }
}

fn parts(def: &TypeDef) -> Option<Parts<'_>> {
    let (part, list) = match &def.kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            (
                "field",
                fields.map(|f| (f.name.as_str(), Some(f.ty))).collect(),
            )
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            ("case", cases.map(|c| (c.name.as_str(), c.ty)).collect())
        }
        TypeDefKind::Enum(cases) => {
            let cases = cases.cases.iter();
            ("case", cases.map(|c| (c.name.as_str(), None)).collect())
        }
        TypeDefKind::Flags(flags) => {
            let flags = flags.flags.iter();
            ("flag", flags.map(|f| (f.name.as_str(), None)).collect())
        }
        _ => return None,
    };
    let shape = def.kind.as_str();
    Some(Parts { shape, part, list })
}

/// Follows `type a = b` to the type that it means.
fn unalias(resolve: &Resolve, mut ty: Type) -> Type {
    while let Type::Id(id) = ty {
        match resolve.types[id].kind {
            TypeDefKind::Type(inner) => ty = inner,
            _ => break,
        }
    }
    ty
}

fn described(resolve: &Resolve, ty: Option<Type>) -> String {
    let text = optional_type_text(resolve, ty);
    match ty {
        None => "without a value".into(),
        Some(Type::Id(id)) if resolve.types[id].name.is_some() => {
            format!("the {} {text}", resolve.types[id].kind.as_str())
        }
        Some(ty) => type_text(resolve, ty),
    }
}
