//! `[secrets]`: what the plugin wants of what the operator offers.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Manifest, ManifestError};
use crate::types::Given;
use crate::types::secrets::{Offer, SecretName};
use crate::types::text::brief;

/// How many a plugin has at most.
const MAX_SECRETS: usize = 32;

/// How much of a key is shown, in characters.
const MAX_SHOWN: usize = 200;

/// Checks the table by itself.
pub(super) fn check<T>(
    file: &str,
    config: &BTreeMap<String, T>,
    secrets: &BTreeMap<String, SecretName>,
) -> Result<(), ManifestError> {
    if secrets.len() > MAX_SECRETS {
        return Err(ManifestError::Secrets {
            file: file.to_owned(),
            limit: MAX_SECRETS,
            asked: secrets.len(),
        });
    }
    match secrets.keys().find(|key| config.contains_key(*key)) {
        None => Ok(()),
        Some(key) => Err(ManifestError::Twice {
            file: file.to_owned(),
            key: shown(key),
        }),
    }
}

impl Manifest {
    /// The secrets that it names; `file` names it in errors.
    ///
    /// # Errors
    /// When one of them isn't offered to the plugin.
    pub fn given(&self, file: &Path, offer: &Offer) -> Result<Given, ManifestError> {
        let given = offer.give(self.secrets.clone());
        given.map_err(|(key, why)| ManifestError::NotOffered {
            file: file.display().to_string(),
            key: shown(&key),
            why,
        })
    }
}

/// A key may be as long as the file.
fn shown(key: &str) -> String {
    brief(key, MAX_SHOWN).into_owned()
}
