//! What is in the plugins folder, whoever put it there: a bounded look.
//!
//! A folder can hold millions of files. What is kept of them is bounded by the
//! number of plugins that a host runs, whatever the order in which the system
//! names them, and the same files give the same listing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{Found, MAX_PLUGINS, Refusal, files};
use crate::types::PluginName;

/// The most refusals that are told one by one.
pub const MAX_REFUSED: usize = 100;

/// What is in the folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// What has a plugin's name.
    pub plugins: BTreeMap<PluginName, Found>,
    /// Files that look like plugins and aren't, with the reason: the first
    /// [`MAX_REFUSED`] by name.
    pub refused: BTreeMap<PathBuf, Refusal>,
    /// How many more there are of these.
    pub more_refused: usize,
}

/// Lists `folder`, with at most [`MAX_PLUGINS`] plugins: those that are `known`
/// before others, so that one file too many doesn't evict a plugin that runs.
/// Sub-folders and other files are left alone.
///
/// # Errors
/// When the folder can't be read.
pub fn list(folder: &Path, known: impl Fn(&PluginName) -> bool) -> io::Result<Listing> {
    list_most(folder, MAX_PLUGINS, known)
}

fn list_most(
    folder: &Path,
    most: usize,
    known: impl Fn(&PluginName) -> bool,
) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let (mut names, mut new_names) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        match name_of(&path) {
            None => {}
            Some(Ok(name)) if known(&name) => {
                names.insert(name);
            }
            Some(Ok(name)) => {
                new_names.insert(name);
                // Never more than could be taken if none were known.
                if new_names.len() > most {
                    listing.leave_out(folder, new_names.pop_last());
                }
            }
            Some(Err(refusal)) => listing.refuse(path, refusal),
        }
    }
    while names.len() > most {
        listing.leave_out(folder, names.pop_last());
    }
    while names.len() + new_names.len() > most {
        listing.leave_out(folder, new_names.pop_last());
    }
    for name in names.into_iter().chain(new_names) {
        // A file may vanish between two looks.
        if let Some(found) = files(folder, &name) {
            listing.plugins.insert(name, found);
        }
    }
    Ok(listing)
}

impl Listing {
    fn leave_out(&mut self, folder: &Path, name: Option<PluginName>) {
        if let Some(name) = name {
            self.refuse(folder.join(format!("{name}.wasm")), Refusal::TooMany);
        }
    }

    fn refuse(&mut self, path: PathBuf, refusal: Refusal) {
        self.refused.insert(path, refusal);
        if self.refused.len() > MAX_REFUSED {
            self.refused.pop_last();
            self.more_refused += 1;
        }
    }
}

/// The plugin's name by the file's; `None` for what doesn't look like a plugin.
fn name_of(path: &Path) -> Option<Result<PluginName, Refusal>> {
    let ending = path.extension()?;
    if ending.eq_ignore_ascii_case("cwasm") {
        Some(Err(Refusal::Compiled))
    } else if !ending.eq_ignore_ascii_case("wasm") {
        None
    } else if ending != "wasm" {
        Some(Err(Refusal::Ending))
    } else {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Some(PluginName::new(&stem).map_err(Refusal::from))
    }
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
