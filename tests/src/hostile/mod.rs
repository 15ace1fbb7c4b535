//! Hostile plugins, each made from source, with what must become of it.
//!
//! One catalogue for three programs: the hostile suite runs each beside a good
//! plugin, the attrition program runs all of them a hundred thousand times, and the
//! load program measures what the ingest path notices of them. A file here is one
//! kind of harm; [`text`] is what they are written with.

mod answers;
mod handles;
mod lines;
mod memory;
mod realloc;
mod recursion;
mod requests;
mod storage;
mod strings;
mod text;
mod time;
mod traps;
mod waiting;

/// A hostile plugin that answers `chat.push` events.
#[derive(Clone, Debug)]
pub struct Villain {
    /// What it does, in a plugin's name.
    pub name: &'static str,
    /// How its component comes about.
    pub source: Source,
    /// Its manifest, beyond what a program adds to it: neither `[limits]` nor
    /// `[config]`.
    pub manifest: String,
    /// Its lines in `[limits]`, beyond what a program adds to them.
    pub limits: &'static str,
    /// The `hookbox.toml` that it needs to do its worst; mostly none.
    pub host: &'static str,
    /// What its attempt's log contains; checked where there is something.
    pub says: Option<&'static str>,
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
    /// It fails, or the handler asks for another, and the reason contains this.
    Fails(&'static str),
    /// The handler gives up by itself, and its reason contains this.
    Rejects(&'static str),
    /// It does what it does within its limits, and ends well.
    Ends,
}

impl Villain {
    /// One that is written as text, and what becomes of it.
    fn text(name: &'static str, make: fn() -> Vec<u8>, fate: Fate) -> Self {
        Self {
            name,
            source: Source::Text(make),
            manifest: String::new(),
            limits: "",
            host: "",
            says: None,
            fate,
        }
    }

    /// One that the fixture plays.
    fn rust(name: &'static str, fate: Fate) -> Self {
        Self {
            source: Source::Rust(name),
            ..Self::text(name, Vec::new, fate)
        }
    }

    /// With these lines in its manifest.
    fn allowed(self, manifest: &str) -> Self {
        Self {
            manifest: manifest.to_owned(),
            ..self
        }
    }

    /// With these lines in its `[limits]`.
    fn limited(self, limits: &'static str) -> Self {
        Self { limits, ..self }
    }

    /// On a host with this `hookbox.toml`.
    fn on_host(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    /// And its log contains this.
    fn saying(self, says: &'static str) -> Self {
        Self {
            says: Some(says),
            ..self
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
        format!(
            "{}\n[limits]\n{}\n{limits}\n{part}",
            self.manifest, self.limits
        )
    }
}

/// All of them.
#[must_use]
pub fn villains() -> Vec<Villain> {
    [
        time::villains(),
        waiting::villains(),
        recursion::villains(),
        memory::villains(),
        handles::villains(),
        strings::villains(),
        realloc::villains(),
        lines::villains(),
        answers::villains(),
        traps::villains(),
        storage::villains(),
        requests::villains(),
    ]
    .concat()
}
