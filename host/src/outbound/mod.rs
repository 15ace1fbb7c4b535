//! What may leave the host: which requests a plugin may send ([`grant`]), and to
//! which addresses. One module for everything that sends for a plugin.

pub mod grant;

pub use grant::{Denied, Grants};
