//! What doesn't fit, where, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that doesn't fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The place, from the outside in:
    /// `on-chat-push.handle: parameter event: record chat-push`.
    pub place: String,
    /// What is wrong there.
    pub what: What,
}

impl Problem {
    /// What its author can do.
    #[must_use]
    pub fn advice(&self) -> String {
        self.what.advice()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            self.what.fmt(f)
        } else {
            write!(f, "{}: {}", self.place, self.what)
        }
    }
}

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// Nothing that the host could call.
    #[error("the component exports no handler; it exports {exports}")]
    NoHandler {
        /// What it does export, as text.
        exports: String,
    },
    /// One of the contract's interfaces in a version that the host doesn't know.
    #[error("this is version {found}, and this host knows {known}")]
    Version {
        /// The component's version.
        found: String,
        /// The host's version.
        known: String,
    },
    /// A name in the contract's package that isn't in the contract.
    #[error("the contract has no such interface{}", did_you_mean(nearest.as_deref()))]
    UnknownInterface {
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// The right name at the wrong place.
    #[error("this stands outside of the contract's package, where the host doesn't look")]
    Misplaced {
        /// Where it belongs.
        belongs: String,
    },
    /// A handler interface that the component imports instead of exporting it.
    #[error("the component imports this handler; handlers are what a plugin exports")]
    HandlerImported,
    /// An import that no host answers.
    #[error("the component imports this, and the host doesn't offer it")]
    NotOffered {
        /// What the host has to say about it.
        advice: String,
    },
    /// An interface without a function that must be there.
    #[error("function {function:?} is missing{}", did_you_mean(nearest.as_deref()))]
    MissingFunction {
        /// The function's name.
        function: String,
        /// The component's function that was probably meant to be it.
        nearest: Option<String>,
    },
    /// An imported function that the host's interface doesn't have.
    #[error("the host's interface has no function {function:?}{}", did_you_mean(nearest.as_deref()))]
    UnknownFunction {
        /// The function's name.
        function: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// A function of another shape.
    #[error("it is `{found}`, and the contract says `{expected}`")]
    Signature {
        /// As in the contract.
        expected: String,
        /// As in the component.
        found: String,
    },
    /// A type of another shape.
    #[error("the type is {found}, and the contract says {expected}")]
    Type {
        /// As in the contract.
        expected: String,
        /// As in the component.
        found: String,
    },
    /// A field or case that the contract doesn't know.
    #[error("{part} {name:?} isn't in the contract{}", did_you_mean(nearest.as_deref()))]
    Extra {
        /// `field`, `case` or `flag`.
        part: String,
        /// Its name.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// A field or case of the contract that isn't there.
    #[error("{part} {name:?} is missing")]
    Missing {
        /// `field`, `case` or `flag`.
        part: String,
        /// Its name.
        name: String,
    },
    /// The right fields or cases in another order, which changes their layout.
    #[error("the {part}s stand in another order than in the contract, which is {expected}")]
    Order {
        /// `field`, `case` or `flag`.
        part: String,
        /// The contract's order.
        expected: String,
    },
    /// More problems than are worth listing.
    #[error("there are more problems than these")]
    More,
}

impl What {
    fn advice(&self) -> String {
        match self {
            Self::NoHandler { .. } => {
                "export one or more of on-room-join, on-chat-push and on-event of the package \
                 hookbox:plugin@0.1.0 (see wit/handlers.wit)"
                    .into()
            }
            Self::Version { known, .. } => {
                format!("build the plugin against version {known} of the WIT files")
            }
            Self::UnknownInterface { nearest: None } => {
                "see wit/ for the interfaces that there are, or remove it".into()
            }
            Self::UnknownInterface { .. } => "use that name, or remove it".into(),
            Self::Misplaced { belongs } => {
                format!("export {belongs}: build against wit/ without changing its package name")
            }
            Self::HandlerImported => "write `export` in your world instead of `import`".into(),
            Self::NotOffered { advice } => advice.clone(),
            Self::More => "put these right first, then check again".into(),
            _ => "build the plugin against the unchanged files of wit/".into(),
        }
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

/// The candidate that `name` was probably meant to be.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    const LONGEST: usize = 100; // bounds the work on names from outside
    const ALIKE: f64 = 0.75;
    if name.len() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(name, candidate),
                candidate,
            )
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}
