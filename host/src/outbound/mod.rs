//! What may leave the host, and how it does: one module for everything that
//! sends for a plugin.
//!
//! ```text
//! method, URL ─▶ target ─▶ grant ─▶ …
//! ```
//!
//! [`target`] reads the URL, once and as browsers do; [`grant`] asks whether the
//! plugin's manifest allows it.

pub mod grant;
pub mod target;

pub use grant::{Denied, GrantError, Grants};
pub use target::{Target, Unfit};
