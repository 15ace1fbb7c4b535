//! Names of endpoints and plugins: checked once, then carried as types.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes. It fits into a file name with room for an ending.
pub const MAX_NAME: usize = 64;

/// Why a text can't be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name can't be empty")]
    Empty,
    /// Longer than [`MAX_NAME`].
    #[error("a name has at most {MAX_NAME} characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the set, or a first character that isn't a letter or digit.
    #[error(
        "{0:?} can't stand there: a name starts with a lower-case letter or digit and goes on with these, '-' and '_'"
    )]
    Character(char),
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong(text.chars().count()));
    }
    let good = |position: usize, c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || (position > 0 && matches!(c, '-' | '_'))
    };
    match text.chars().enumerate().find(|&(i, c)| !good(i, c)) {
        Some((_, bad)) => Err(NameError::Character(bad)),
        None => Ok(()),
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes it a name.
            ///
            /// # Errors
            /// When it is empty, too long, or holds a character outside
            /// `a-z 0-9 - _`. Lower case only: two names never differ by case or
            /// by Unicode form alone.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().into()
            }
        }
    };
}

name_type! {
    /// The name of an endpoint: a URL path with its own authentication and plugins.
    EndpointName
}

name_type! {
    /// The name of a plugin: the stem of its file.
    PluginName
}

impl EndpointName {
    /// The one endpoint of a host without configured endpoints.
    #[must_use]
    pub fn default_endpoint() -> Self {
        Self("default".into())
    }
}

/// A plugin of an endpoint: what deliveries, key-value and counters belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PluginKey {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The plugin's name.
    pub plugin: PluginName,
}
