//! What following a plugins folder takes: which one, and what to work with.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::cache::CodeCache;
use super::compile::Compiler;
use super::manifest::Policy;
use super::notes::Notes;
use super::registry::Registry;
use crate::dispatch::Dispatcher;
use crate::journal::{JournalError, Roster};
use crate::sandbox::Sandbox;
use crate::types::secrets::{Offer, Offered};
use crate::types::{EndpointName, PluginName};

/// Which folder, for whom, within which bounds.
#[derive(Clone, Debug)]
pub struct Options {
    /// The endpoint whose plugins these are.
    pub endpoint: EndpointName,
    /// The folder.
    pub folder: PathBuf,
    /// The most plugins that it may have.
    pub most: usize,
    /// What plugins get, and at most.
    pub policy: Policy,
    /// The secrets that they may have.
    pub secrets: Arc<Offered>,
}

impl Options {
    /// The secrets that one plugin may have.
    pub(super) fn offer(&self, plugin: &PluginName) -> Offer {
        Offer {
            endpoint: self.endpoint.clone(),
            plugin: plugin.clone(),
            secrets: Arc::clone(&self.secrets),
        }
    }
}

/// What the loader works with.
#[derive(Clone)]
pub struct Loader {
    /// Where it runs, with all that it does.
    pub threads: Handle,
    /// Links and runs.
    pub sandbox: Arc<Sandbox>,
    /// Holds the durable list.
    pub journal: Arc<dyn Roster>,
    /// Gets the plugins.
    pub dispatcher: Dispatcher,
    /// Shows them.
    pub registry: Arc<Registry>,
    /// Keeps compiled code.
    pub cache: Arc<CodeCache>,
    /// Compiles.
    pub compiler: Compiler,
    /// Remembers what was rolled back.
    pub notes: Arc<Notes>,
}

/// Why the folder can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It can't be made.
    #[error("the plugins folder {folder} can't be made: {source}", folder = folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The durable list can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
