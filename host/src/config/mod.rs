//! The configuration: file, variables and flags, resolved into one value.
mod secret;
pub use secret::{Secret, SecretError, SecretRef};
