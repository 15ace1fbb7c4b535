//! How much of what was asked for a kernel gives.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much of a kernel's protection is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Degree {
    /// All that was asked for.
    Full,
    /// What this kernel's version has of it.
    Partly,
    /// The kernel doesn't have it.
    No,
}

impl fmt::Display for Degree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Partly => "partly",
            Self::No => "no",
        })
    }
}
