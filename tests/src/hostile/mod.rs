//! Hostile plugins, each made from source, with what must become of it.
//!
//! One catalogue for three programs: the hostile suite runs each beside a good
//! plugin, the attrition program runs all of them a hundred thousand times, and the
//! load program measures what the ingest path notices of them. A file here is one
//! kind of harm.

mod time;

use crate::wat::{self, World};

/// A hostile plugin that answers `chat.push` events.
#[derive(Clone, Debug)]
pub struct Villain {
    /// What it does, in a plugin's name.
    pub name: &'static str,
    /// How its component comes about.
    pub source: Source,
    /// Its manifest, beyond what a program adds to it.
    pub manifest: String,
    /// What must become of its attempts.
    pub fate: Fate,
}

/// How a component comes about.
#[derive(Clone, Debug)]
pub enum Source {
    /// By WebAssembly text.
    Text(fn() -> Vec<u8>),
    /// By the fixture `villain`, in Rust: what its key `do` in `[config]` says.
    Rust(&'static str),
}

/// What must become of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It fails, and the reason contains this.
    Fails(&'static str),
    /// The handler gives up by itself, and its reason contains this.
    Rejects(&'static str),
    /// It does what it does within its limits, and ends well.
    Ends,
}

impl Villain {
    /// One that is written as text, and whose attempts fail for this reason.
    fn text(name: &'static str, make: fn() -> Vec<u8>, fate: Fate) -> Self {
        Self {
            name,
            source: Source::Text(make),
            manifest: String::new(),
            fate,
        }
    }

    /// One that the fixture plays.
    fn rust(name: &'static str, fate: Fate) -> Self {
        Self {
            name,
            source: Source::Rust(name),
            manifest: String::new(),
            fate,
        }
    }

    /// Its component; `fixture` builds the crate of that name in `tests/fixtures`.
    #[must_use]
    pub fn component(&self, fixture: impl FnOnce(&str) -> Vec<u8>) -> Vec<u8> {
        match self.source {
            Source::Text(make) => make(),
            Source::Rust(_) => fixture("villain"),
        }
    }

    /// Its whole manifest, with these lines in `[limits]`.
    #[must_use]
    pub fn manifest(&self, limits: &str) -> String {
        let part = match self.source {
            Source::Text(_) => String::new(),
            Source::Rust(part) => format!("[config]\ndo = \"{part}\"\n"),
        };
        format!("{}\n[limits]\n{limits}\n{part}", self.manifest)
    }
}

/// All of them.
#[must_use]
pub fn villains() -> Vec<Villain> {
    [time::villains()].concat()
}

/// A handler for `chat.push` with this body.
fn handler(items: &str, body: &str) -> Vec<u8> {
    wat::plugin(World::ChatPush, items, body)
}
