//! What may leave the host, and how it does: one module for everything that
//! sends for a plugin.
//!
//! ```text
//! method, URL ─▶ target ─▶ grant ─▶ connect ──────────────────▶ client
//!                read      does the resolve, check each address, one request,
//!                once      manifest connect to a checked one,    bounded answer
//!                          allow it TLS for the name
//! ```
//!
//! [`target`] reads the URL, once and as browsers do; [`grant`] asks whether the
//! plugin's manifest allows it; [`address`] decides which addresses are open;
//! [`connect`] reaches one of them; [`client`] speaks HTTP with it.

pub mod address;
pub mod client;
pub mod connect;
pub mod grant;
pub mod granted;
pub mod target;

pub use address::AllowedNets;
pub use client::{Client, SendError};
pub use connect::{Connector, SystemResolver};
pub use grant::{Denied, GrantError, Grants};
pub use granted::Granted;
pub use target::{Target, Unfit};

#[cfg(test)]
pub(crate) mod tests;
