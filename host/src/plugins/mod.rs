//! The plugins folder: what lies in it becomes running plugins.
//!
//! [`watch`] says that something may have changed; [`listing`] is what is
//! there; [`settle`] decides which changes have come to rest; [`newcomers`] which new
//! names get events before they have run. For each change the task that is [`following`]
//! the folder starts a [`load`], which reads the file, has it compiled by a child process
//! ([`compile`], answered by [`child`], which [`confine`] takes everything else from)
//! when its turn has come ([`queue`]) unless the [`cache`] knows it, and links it; then
//! it swaps the plugin in, unless a newer load has started ([`loads`]). The [`registry`]
//! holds what the operator sees.
//!
//! Whoever writes the folder is not trusted: names are checked, links are not
//! followed, sizes are bounded, and hostile bytes are only looked at in the
//! child. A file that isn't taken, doesn't compile or doesn't fit leaves the
//! version that runs as it is. A version that dispatch rolls back stays out, also
//! after a restart ([`notes`]).

pub mod cache;
pub mod child;
pub mod compile;
pub mod confine;
pub mod folder;
mod following;
pub mod listing;
mod load;
pub mod loader;
mod loads;
pub mod manifest;
mod newcomers;
pub mod notes;
mod queue;
mod refusals;
pub mod registry;
pub mod settle;
mod smoke;
mod talk;
mod watch;

pub use loader::{Loader, Options};
pub use registry::{PluginStatus, Registry};
