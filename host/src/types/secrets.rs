//! The secrets of plugins: what the operator offers at an endpoint, and what of it
//! one plugin has.
//!
//! ```text
//! hookbox.toml [secrets]   NAME = "env:…"      ─▶ Offered, one for each endpoint
//! NAME.toml    [secrets]   key = "NAME"        ─▶ Offer::give ─▶ Given ─▶ the plugin
//! ```
//!
//! A manifest may come from anyone, so it gets only what is offered to this plugin
//! at this endpoint, and isn't told what else there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _};

use super::redact::{Forms, Redactor, SHORTEST};
use super::{EndpointName, PluginName, Secret};

/// The longest secret, in bytes.
pub const MAX_SECRET: usize = 8 << 10;

/// The longest name, in bytes.
const MAX_NAME: usize = 64;

/// The operator's name for a secret: capitals, digits and `_`. Hardly any secret
/// looks like that, so one that was written in a name's place isn't taken for one
/// and shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(Arc<str>);

/// A text that is no name. It isn't repeated: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret's name starts with a capital and goes on with capitals, digits and '_', \
     {MAX_NAME} of them at most, such as SLACK_WEBHOOK; the secret itself doesn't stand here"
)]
pub struct NoName;

impl SecretName {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// When it isn't one.
    pub fn new(text: &str) -> Result<Self, NoName> {
        let good = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
        let starts = text.starts_with(|c: char| c.is_ascii_uppercase());
        if starts && text.len() <= MAX_NAME && text.bytes().all(good) {
            Ok(Self(text.into()))
        } else {
            Err(NoName)
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        // The standard messages for a wrong type repeat the value.
        impl serde::de::Visitor<'_> for Name {
            type Value = SecretName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a secret")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretName, E> {
                SecretName::new(text).map_err(E::custom)
            }

            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<SecretName, E> {
                Err(E::custom(NoName))
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretName, E> {
                Err(E::custom(NoName))
            }

            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<SecretName, E> {
                Err(E::custom(NoName))
            }
        }
        deserializer.deserialize_any(Name).map_err(D::Error::custom)
    }
}

/// A secret that plugins can have.
#[derive(Clone, Debug)]
pub struct Known {
    value: Secret,
    forms: Arc<Forms>,
}

/// Why a secret is none that plugins can have. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Plugins read texts.
    #[error("the secret isn't UTF-8, and plugins read texts: encode it, as base64 say")]
    NotText,
    /// It couldn't be told from other text.
    #[error(
        "the secret has less than {SHORTEST} bytes: it couldn't be kept out of logs without taking other text with it; use a longer one"
    )]
    Short,
    /// Too long.
    #[error("the secret has more than {MAX_SECRET} bytes")]
    Long,
}

impl Known {
    /// Makes it one that plugins can have.
    ///
    /// # Errors
    /// When it isn't text of a fair length.
    pub fn new(secret: Secret) -> Result<Self, Unusable> {
        let text = std::str::from_utf8(secret.expose()).map_err(|_| Unusable::NotText)?;
        if text.trim().len() < SHORTEST {
            return Err(Unusable::Short);
        }
        if text.len() > MAX_SECRET {
            return Err(Unusable::Long);
        }
        let forms = Forms::of(text).map_err(|_| Unusable::Long)?;
        Ok(Self {
            forms: Arc::new(forms),
            value: secret,
        })
    }

    /// The text, for the plugin only.
    fn text(&self) -> String {
        String::from_utf8_lossy(self.value.expose()).into_owned()
    }
}

/// What the operator offers at one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    secrets: BTreeMap<SecretName, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    known: Known,
    /// Every plugin of the endpoint if `None`.
    plugins: Option<BTreeSet<PluginName>>,
}

impl Offered {
    /// Offers one more, to these plugins or to all of the endpoint.
    pub fn add(&mut self, name: SecretName, known: Known, plugins: Option<BTreeSet<PluginName>>) {
        self.secrets.insert(name, Entry { known, plugins });
    }

    /// How each of them may be written.
    pub fn forms(&self) -> impl Iterator<Item = Arc<Forms>> {
        let entries = self.secrets.values();
        entries.map(|entry| Arc::clone(&entry.known.forms))
    }
}

/// What is offered to one plugin.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The plugin.
    pub plugin: PluginName,
    /// What the endpoint's plugins are offered.
    pub secrets: Arc<Offered>,
}

/// A secret that isn't offered to the plugin; whether there is one of this name
/// isn't said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} isn't allowed for this plugin: the operator allows it by `{name} = {{ from = \"env:{name}\", plugins = [\"{plugin}\"] }}` under {table} in hookbox.toml (or, if {name} stands there, by \"{plugin}\" in its `plugins`), and a restart"
)]
pub struct NotOffered {
    name: SecretName,
    plugin: PluginName,
    table: String,
}

impl Offer {
    /// What the plugin gets by its manifest: its own key for each, and the
    /// operator's name.
    ///
    /// # Errors
    /// The first key, and why, if there is one that isn't offered to it.
    pub fn give(&self, asked: BTreeMap<String, SecretName>) -> Result<Given, (String, NotOffered)> {
        let mut given = Given::default();
        for (key, name) in asked {
            match self.find(&name) {
                Some(known) => drop(given.secrets.insert(key, (name, known.clone()))),
                None => return Err((key, self.refused(name))),
            }
        }
        let forms = given.secrets.values();
        given.redactor = Redactor::new(forms.map(|(_, known)| Arc::clone(&known.forms)));
        Ok(given)
    }

    fn find(&self, name: &SecretName) -> Option<&Known> {
        let Entry { known, plugins } = self.secrets.secrets.get(name)?;
        let whom = plugins.as_ref();
        whom.is_none_or(|plugins| plugins.contains(&self.plugin))
            .then_some(known)
    }

    fn refused(&self, name: SecretName) -> NotOffered {
        let table = if self.endpoint == EndpointName::default_endpoint() {
            "[secrets]".to_owned()
        } else {
            format!("[endpoint.secrets] of the endpoint `{}`", self.endpoint)
        };
        NotOffered {
            name,
            plugin: self.plugin.clone(),
            table,
        }
    }
}

/// What one plugin has, by its own keys.
#[derive(Clone, Default)]
pub struct Given {
    secrets: BTreeMap<String, (SecretName, Known)>,
    redactor: Redactor,
}

impl Given {
    /// A secret's text, for the plugin only.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        self.secrets.get(key).map(|(_, known)| known.text())
    }

    /// The plugin's keys with the operator's names.
    pub fn names(&self) -> impl Iterator<Item = (&str, &SecretName)> {
        self.secrets
            .iter()
            .map(|(key, (name, _))| (key.as_str(), name))
    }

    /// Takes them out of texts.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

/// The same names for the same values.
impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        let list = |given: &Self| -> Vec<_> {
            let entries = given.secrets.iter();
            let entry = |(key, (name, known)): (&String, &(SecretName, Known))| {
                (key.clone(), name.clone(), known.value.clone())
            };
            entries.map(entry).collect()
        };
        list(self) == list(other)
    }
}

impl Eq for Given {}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.names()).finish()
    }
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
