//! The files of a plugins folder: what `hookbox check` says of each, and whether
//! its manifest is understood.

use std::path::Path;

use super::Inspect;
use super::report::Report;
use crate::cli::plugins;
use crate::config::{EndpointConfig, Limits};
use crate::plugins::folder::{self, MAX_MANIFEST, MAX_WASM};
use crate::plugins::listing::{self, Listing, Standing};
use crate::plugins::manifest::{Manifest, Policy};
use crate::service;
use crate::types::secrets::Offer;
use crate::types::{PluginName, text};

pub(super) fn look(
    endpoint: &EndpointConfig,
    limits: &Limits,
    inspect: Inspect<'_>,
    report: &mut Report,
) {
    let folder = &endpoint.plugins;
    // What is wrong with the folder itself is said elsewhere.
    let Ok(Listing {
        plugins,
        refused,
        more_refused,
    }) = listing::list(folder, limits.plugins, |_| Standing::New)
    else {
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
        let file = file.to_string_lossy();
        let found = format!("{} isn't taken: {refusal}", text::plain(&file));
        report.warning("plugin", found, None);
    }
    if more_refused > 0 {
        report.warning("plugin", format!("{more_refused} more aren't taken"), None);
    }
    let policy = service::policy(limits);
    for (name, found) in &plugins {
        let topic = format!("plugin {}", plugins::name(&endpoint.name, name));
        match found {
            Err(refusal) => report.problem(&topic, refusal.to_string(), None),
            Ok(files) => {
                let manifest = files.manifest.is_some();
                let disabled = match disabled(folder, name, manifest, &policy, endpoint) {
                    Ok(disabled) => disabled,
                    Err(found) => {
                        report.problem(&topic, found, None);
                        continue;
                    }
                };
                match plugin(folder, name, inspect) {
                    Ok(found) if disabled => {
                        report.ok(&topic, format!("{found}; disabled by its manifest"));
                    }
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

/// Whether its manifest disables it, or what is wrong with the manifest.
fn disabled(
    folder: &Path,
    name: &PluginName,
    manifest: bool,
    policy: &Policy,
    endpoint: &EndpointConfig,
) -> Result<bool, String> {
    if !manifest {
        return Ok(false);
    }
    let file = place(folder, name, "toml");
    let text = folder::read(&file, MAX_MANIFEST);
    let text = text.map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    let manifest = Manifest::parse(&text, &file, policy).map_err(|error| error.to_string())?;
    if !manifest.enabled {
        return Ok(true);
    }
    let offer = Offer {
        endpoint: endpoint.name.clone(),
        plugin: name.clone(),
        secrets: endpoint.secrets.clone(),
    };
    let given = manifest.given(&file, &offer);
    given.map(|_| false).map_err(|error| error.to_string())
}

/// What it handles, or the first thing that is wrong.
fn plugin(folder: &Path, name: &PluginName, inspect: Inspect<'_>) -> Result<String, String> {
    let bytes = folder::read(&place(folder, name, "wasm"), MAX_WASM);
    let bytes = bytes.map_err(|error| format!("it can't be read: {error}"))?;
    let handled = inspect(&bytes)?;
    Ok(format!("handles {}", handled.join(", ")))
}
