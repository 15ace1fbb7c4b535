//! `[http] allow` of a plugin's manifest: the requests that it may send.

/// What a plugin may send. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {}

/// A request that the manifest doesn't allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the manifest doesn't allow this request: add {line} to it")]
pub struct Denied {
    /// The line of the manifest that would allow it.
    pub line: String,
}

impl Grants {
    /// Whether the plugin may send this.
    ///
    /// # Errors
    /// With the line that would allow it.
    pub fn check(&self, method: &str, url: &str) -> Result<(), Denied> {
        Err(Denied {
            line: format!("[http] allow = [\"{method} {url}\"]"),
        })
    }
}
