//! Who said a message.

use std::fmt;

/// Who said a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// The visitor (`"user"`).
    User,
    /// The avatar (`"assistant"`; older deliveries say `"agent"`).
    Agent,
    /// Another word than these, as it was sent.
    Other(String),
}

impl Role {
    /// The role that the provider's word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "user" => Self::User,
            "assistant" | "agent" => Self::Agent,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The role as a word: `user`, `agent`, or the other word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
