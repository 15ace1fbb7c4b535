//! The files of a plugins folder: what `hookbox check` says of each, and whether
//! its manifest is understood.

use std::path::Path;

use super::Inspect;
use super::report::Report;
use crate::config::{EndpointConfig, Limits};
use crate::plugins::folder::{self, Listing, MAX_MANIFEST, MAX_WASM};
use crate::plugins::manifest::{Manifest, Policy};
use crate::service;
use crate::types::PluginName;

pub(super) fn look(
    endpoint: &EndpointConfig,
    limits: &Limits,
    inspect: Inspect<'_>,
    report: &mut Report,
) {
    let folder = &endpoint.plugins;
    // What is wrong with the folder itself is said elsewhere.
    let Ok(Listing { plugins, refused }) = folder::list(folder) else {
        return;
    };
    if plugins.is_empty() {
        let topic = format!("plugins of {}", endpoint.name);
        let found = format!(
            "there is none in {}: events are only stored",
            folder.display()
        );
        report.warning(
            &topic,
            found,
            Some("copy a .wasm there, or `hookbox build` one"),
        );
    }
    for (file, refusal) in refused {
        let found = format!("{} isn't taken: {refusal}", file.display());
        report.warning("plugin", found, None);
    }
    let policy = service::policy(limits);
    for (name, found) in &plugins {
        let topic = format!("plugin {name}");
        match found {
            Err(refusal) => report.problem(&topic, refusal.to_string(), None),
            Ok(files) => {
                let manifest = files.manifest.is_some();
                match plugin(folder, name, manifest, &policy, inspect) {
                    Ok(found) => report.ok(&topic, found),
                    Err(found) => {
                        let advice = format!(
                            "`hookbox check {}` says more",
                            place(folder, name, "wasm").display()
                        );
                        report.problem(&topic, found, Some(&advice));
                    }
                }
            }
        }
    }
}

fn place(folder: &Path, name: &PluginName, ending: &str) -> std::path::PathBuf {
    folder.join(format!("{name}.{ending}"))
}

/// What it handles, or the first thing that is wrong.
fn plugin(
    folder: &Path,
    name: &PluginName,
    manifest: bool,
    policy: &Policy,
    inspect: Inspect<'_>,
) -> Result<String, String> {
    let mut disabled = false;
    if manifest {
        let file = place(folder, name, "toml");
        let text = folder::read(&file, MAX_MANIFEST);
        let text = text.map_err(|error| format!("{} can't be read: {error}", file.display()))?;
        let manifest = Manifest::parse(&text, &file, policy);
        disabled = !manifest.map_err(|error| error.to_string())?.enabled;
    }
    let bytes = folder::read(&place(folder, name, "wasm"), MAX_WASM);
    let bytes = bytes.map_err(|error| format!("it can't be read: {error}"))?;
    let handled = inspect(&bytes)?;
    let disabled = if disabled {
        "; disabled by its manifest"
    } else {
        ""
    };
    Ok(format!("handles {}{disabled}", handled.join(", ")))
}
