//! The contract in `wit/` as data: what a component offers, and what doesn't fit.
//!
//! The bytes of a plugin's file go through here before anything is compiled:
//!
//! ```text
//! bytes ──▶ componentize ──▶ inspect ──▶ Inspection { handlers, problems, … }
//!           what is it?      decode, then compare each export and import
//!           core modules     with wit/, part by part
//!           become
//!           components
//! ```
//!
//! Pure: no I/O, and no wasm is run. The bytes come from outside, so every bound
//! is explicit and nothing here may panic, whatever they hold. What doesn't fit
//! is data ([`Problem`]), in words for somebody who writes plugins.

mod circles;
mod compare;
mod componentize;
mod inspect;
mod offers;
mod outline;
mod problem;
mod read;
mod render;
mod wit;

#[cfg(test)]
mod tests;

pub use componentize::componentize;
pub use inspect::{Inspection, Item, inspect};
pub use problem::{Problem, What};
pub use read::{MAX_BYTES, ReadError};
pub use wit::{PACKAGE, VERSION};

use std::borrow::Cow;

/// Turns the bytes of a plugin's file into a component and inspects it: what
/// the loader and `hookbox check` both do first.
///
/// # Errors
/// When the bytes can't be read as a component, or made one. A component that
/// can be read but doesn't fit is no error: see [`Inspection::problems`].
pub fn read(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Inspection), ReadError> {
    let component = componentize(bytes)?;
    let inspection = inspect(&component)?;
    Ok((component, inspection))
}
