//! Which files were rolled back, and to what: kept in the data folder, so that a
//! start doesn't run them again.
//!
//! One small file for the whole host, replaced as a whole. A damaged one costs no
//! more than what it says: the files of the plugins folder run as they are.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::cache::ContentHash;
use super::folder;
use crate::types::{PluginKey, UnixMicros};

/// The largest file that is read: room for thousands of plugins.
const MOST: u64 = 16 << 20;

/// A rollback of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What is kept out.
    pub bad: ContentHash,
    /// What runs instead.
    pub good: ContentHash,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: UnixMicros,
}

/// All rollbacks that hold.
#[derive(Debug)]
pub struct Notes {
    path: PathBuf,
    notes: Mutex<BTreeMap<PluginKey, Note>>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    key: PluginKey,
    #[serde(flatten)]
    note: Note,
}

impl Notes {
    /// Reads the notes of a data folder.
    #[must_use]
    pub fn open(data: &Path) -> Self {
        let path = data.join("rollbacks.json");
        let notes = read(&path).unwrap_or_else(|problem| {
            tracing::warn!(
                file = %path.display(),
                "it isn't known any more which plugins were rolled back; the files in the plugins folder run as they are: {problem}"
            );
            BTreeMap::new()
        });
        Self {
            path,
            notes: Mutex::new(notes),
        }
    }

    /// The rollback of a plugin, if there is one.
    #[must_use]
    pub fn get(&self, key: &PluginKey) -> Option<Note> {
        self.lock().get(key).cloned()
    }

    /// What has to be kept, since a rolled back file is all that there is else.
    #[must_use]
    pub fn needed(&self) -> Vec<ContentHash> {
        self.lock().values().map(|note| note.good).collect()
    }

    /// Notes a rollback; `None` if it doesn't hold any more.
    ///
    /// # Errors
    /// When it can't be stored: it holds until the host ends.
    pub fn set(&self, key: &PluginKey, note: Option<Note>) -> io::Result<()> {
        // Held while writing: the file is to have the latest of two.
        let mut notes = self.lock();
        let before = match note {
            Some(note) => notes.insert(key.clone(), note),
            None => notes.remove(key),
        };
        if before.is_none() && !notes.contains_key(key) {
            return Ok(());
        }
        write(&self.path, &notes)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PluginKey, Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<PluginKey, Note>> {
    let text = match folder::read(path, MOST) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(problem) => return Err(problem),
    };
    let entries: Vec<Entry> = serde_json::from_slice(&text)?;
    let pairs = entries.into_iter().map(|entry| (entry.key, entry.note));
    Ok(pairs.collect())
}

fn write(path: &Path, notes: &BTreeMap<PluginKey, Note>) -> io::Result<()> {
    let entry = |(key, note): (&PluginKey, &Note)| Entry {
        key: key.clone(),
        note: note.clone(),
    };
    let entries: Vec<Entry> = notes.iter().map(entry).collect();
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut file, &entries)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{EndpointName, PluginName};

    fn key(name: &str) -> PluginKey {
        PluginKey {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new(name).expect("a good name"),
        }
    }

    fn note(bad: &[u8]) -> Note {
        Note {
            bad: ContentHash::of(bad),
            good: ContentHash::of(b"good"),
            reason: "3 of its first 3 attempts trapped: \"x\"\u{7}".into(),
            since: UnixMicros(5),
        }
    }

    #[test]
    fn notes_outlive_a_restart_until_they_are_taken_back() {
        let data = tempfile::tempdir().expect("a scratch folder");
        let notes = Notes::open(data.path());
        notes.set(&key("a"), Some(note(b"1"))).expect("stored");
        notes.set(&key("b"), Some(note(b"2"))).expect("stored");
        notes.set(&key("a"), Some(note(b"3"))).expect("stored");
        notes.set(&key("b"), None).expect("stored");
        notes.set(&key("c"), None).expect("nothing to do");
        let again = Notes::open(data.path());
        assert_eq!(again.get(&key("a")), Some(note(b"3")));
        assert_eq!(again.get(&key("b")), None);
        assert_eq!(again.needed(), [ContentHash::of(b"good")]);
        again.set(&key("a"), None).expect("stored");
        assert_eq!(Notes::open(data.path()).get(&key("a")), None);
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none_and_the_next_note_replaces_it() {
        let data = tempfile::tempdir().expect("a scratch folder");
        let path = data.path().join("rollbacks.json");
        Notes::open(data.path())
            .set(&key("a"), Some(note(b"1")))
            .expect("stored");
        let whole = std::fs::read(&path).expect("it is there");
        for damaged in [
            &whole[..whole.len() / 2],
            b"",
            b"\xff\xfe",
            b"[{\"bad\": 1}]",
        ] {
            std::fs::write(&path, damaged).expect("written");
            let notes = Notes::open(data.path());
            assert_eq!(notes.get(&key("a")), None);
            notes.set(&key("b"), Some(note(b"2"))).expect("stored");
            assert_eq!(Notes::open(data.path()).get(&key("b")), Some(note(b"2")));
        }
    }
}
