//! Asks cargo whether a folder holds a plugin.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Error;
use super::cargo::program;
use super::process::{Run, Stream};
use crate::types::PluginName;

/// A profile of this name in the manifest replaces ours.
pub(super) const PROFILE: &str = "plugin";

/// A crate that becomes a plugin.
#[derive(Debug)]
pub(super) struct Plugin {
    /// Its folder, absolute.
    pub(super) dir: PathBuf,
    /// Its package's name.
    pub(super) package: String,
    /// Its package's id, as cargo's messages name it.
    pub(super) id: String,
    /// The target folder of its workspace.
    pub(super) target_dir: PathBuf,
    /// Whether its workspace has a `[profile.plugin]`.
    pub(super) has_profile: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// The part of a workspace's manifest that decides about profiles.
#[derive(Deserialize, Default)]
struct Profiles {
    #[serde(default)]
    profile: toml::Table,
}

/// The plugin in `dir`.
pub(super) fn read(dir: &Path) -> Result<Plugin, Error> {
    let Ok(dir) = dir.canonicalize() else {
        return Err(Error::NotAFolder(dir.to_owned()));
    };
    if !dir.is_dir() {
        return Err(Error::NotAFolder(dir));
    }
    let manifest = dir.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Error::NoManifest(dir));
    }
    let metadata = ask(&dir, &manifest)?;
    let Some(package) = metadata
        .packages
        .into_iter()
        .find(|p| p.manifest_path == manifest)
    else {
        return Err(Error::NoPackage(dir));
    };
    if !package
        .targets
        .iter()
        .any(|t| t.crate_types.iter().any(|kind| kind == "cdylib"))
    {
        return Err(Error::NotCdylib {
            dir,
            package: package.name,
        });
    }
    Ok(Plugin {
        dir,
        package: package.name,
        id: package.id,
        target_dir: metadata.target_directory,
        has_profile: has_profile(&metadata.workspace_root),
    })
}

impl Plugin {
    /// The plugin's name: the package's, unless another is given.
    pub(super) fn name(&self, given: Option<&str>) -> Result<PluginName, Error> {
        let name = given.unwrap_or(&self.package);
        PluginName::new(name).map_err(|source| Error::Name {
            name: name.to_owned(),
            source,
        })
    }
}

fn ask(dir: &Path, manifest: &Path) -> Result<Metadata, Error> {
    let mut command = program();
    command
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(manifest)
        .current_dir(dir);
    let what = format!("reading {} with cargo", manifest.display());
    let run = Run {
        what: &what,
        hint: "install Rust with rustup",
        limit: None,
    };
    let mut text = String::new();
    run.lines(&mut command, &mut |stream, line| {
        if stream == Stream::Out {
            text.push_str(line);
        }
    })?;
    serde_json::from_str(&text).map_err(|source| Error::Answer {
        what: "cargo metadata",
        source,
    })
}

/// cargo has accepted the manifest by now, so what can't be read has no profile.
fn has_profile(root: &Path) -> bool {
    std::fs::read_to_string(root.join("Cargo.toml"))
        .ok()
        .and_then(|text| toml::from_str::<Profiles>(&text).ok())
        .is_some_and(|manifest| manifest.profile.contains_key(PROFILE))
}
