//! What a host needs of the system once it has confined itself.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;

use super::folders;
use crate::config::Config;
use crate::confine::Needs;

/// Makes the folders that are to be named before the process is confined. What
/// can't be made is reported by the part that needs it.
pub(crate) fn make_folders(config: &Config) {
    // Only its owner may look inside, as where the journal makes it.
    let _ = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data);
    for endpoint in &config.endpoints {
        folders::make(&endpoint.plugins);
    }
}

/// What the host of this configuration uses after its start.
pub(crate) fn needs(config: &Config) -> Needs {
    let folders = config.endpoints.iter().map(|endpoint| &endpoint.plugins);
    Needs {
        data: config.data.clone(),
        plugins: folders.cloned().collect(),
        files: config.outbound.ca_file.iter().cloned().collect(),
        ports: vec![config.listen.port(), config.admin.listen.port()],
    }
}
