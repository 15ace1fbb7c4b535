//! References to secrets: resolved at start.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::types::Secret;

/// Where a secret comes from, as a configuration says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// `env:NAME`: an environment variable.
    Env(String),
    /// `file:PATH`: a file; line ends at its end don't count.
    File(PathBuf),
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Neither `env:` nor `file:`. The text isn't repeated: it may be a secret.
    #[error(
        "a secret can't stand in the configuration itself: write \"env:NAME\" for an environment variable or \"file:PATH\" for a file"
    )]
    Literal,
    /// The variable isn't set, or isn't Unicode.
    #[error("the environment variable {0} isn't set: set it, or name another one")]
    NoVariable(String),
    /// The file can't be read.
    #[error("the secret's file {path} can't be read: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There, but without content: it would let everyone in.
    #[error("the secret from {0} is empty")]
    Empty(String),
}

impl SecretRef {
    /// Reads `env:NAME` or `file:PATH`.
    ///
    /// # Errors
    /// [`SecretError::Literal`] for anything else.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(SecretError::Literal),
        }
    }

    /// Fetches the secret. A relative path starts at `base`.
    ///
    /// # Errors
    /// When it isn't there, can't be read, or is empty.
    pub fn resolve(
        &self,
        base: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Secret, SecretError> {
        let (bytes, from) = match self {
            Self::Env(name) => {
                let value = env(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?;
                (
                    value.into_bytes(),
                    format!("the environment variable {name}"),
                )
            }
            Self::File(path) => {
                let path = base.join(path);
                let bytes = std::fs::read(&path).map_err(|source| SecretError::File {
                    path: path.clone(),
                    source,
                })?;
                (bytes, format!("the file {}", path.display()))
            }
        };
        let end = bytes
            .iter()
            .rposition(|byte| !matches!(byte, b'\n' | b'\r'))
            .map_or(0, |last| last + 1);
        match &bytes[..end] {
            [] => Err(SecretError::Empty(from)),
            trimmed => Ok(Secret::new(trimmed)),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reference;
        // The standard messages for a wrong type repeat the value.
        impl Visitor<'_> for Reference {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"env:NAME\" or \"file:PATH\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
                SecretRef::parse(text).map_err(E::custom)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretRef, E> {
                Err(E::custom(SecretError::Literal))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
                Err(E::custom(SecretError::Literal))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
                Err(E::custom(SecretError::Literal))
            }
        }
        deserializer.deserialize_any(Reference)
    }
}
