//! What is in the plugins folder, whoever put it there: a bounded look.
//!
//! A folder can hold millions of files. What is kept of them is bounded by the
//! number of plugins that a folder may have, whatever the order in which the system
//! names them, and the same files give the same listing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{Found, Refusal, files};
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

/// Which plugins stay when there are too many: the first of these, and of equal ones
/// the first by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It has run, or was there in an earlier run.
    Proven,
    /// It gets events, and has never run.
    Listed,
    /// It was there at the last look.
    Seen,
    /// Nothing is known of it.
    New,
}

/// Lists `folder`, with at most `most` plugins: those with the better `standing`
/// before others, so that one file too many doesn't evict a plugin that runs.
/// Sub-folders and other files are left alone.
///
/// # Errors
/// When the folder can't be read.
pub fn list(
    folder: &Path,
    most: usize,
    standing: impl Fn(&PluginName) -> Standing,
) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        match name_of(&path) {
            None => {}
            Some(Ok(name)) => {
                names.insert((standing(&name), name));
                if names.len() > most
                    && let Some((_, name)) = names.pop_last()
                {
                    let path = folder.join(format!("{name}.wasm"));
                    listing.refuse(path, Refusal::TooMany(most));
                }
            }
            Some(Err(refusal)) => listing.refuse(path, refusal),
        }
    }
    for (_, name) in names {
        // A file may vanish between two looks.
        if let Some(found) = files(folder, &name) {
            listing.plugins.insert(name, found);
        }
    }
    Ok(listing)
}

impl Listing {
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
