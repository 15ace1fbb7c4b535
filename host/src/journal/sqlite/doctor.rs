//! What `hookbox doctor` wants to know of a store, without opening it as a host.
//!
//! A folder that no host holds is locked for as long as the check takes, and
//! checked whole. While a host holds it, only what is read in a moment is looked
//! at: a read that lasts keeps the host's log from starting over.
//!
//! Neither database nor log is written: the log stays as a crash left it, for
//! the next host to settle.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::lock::{FolderLock, Probe};
use super::totals::Totals;
use super::{FILE, OpenError, log_path, schema};
use crate::journal::Counts;

/// How long a lock of the host may last.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many findings of SQLite's check are told.
const FINDINGS: usize = 20;

/// A store as it was found.
#[derive(Clone, Debug)]
pub struct StoreReport {
    /// The database.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The size of its log.
    pub log_bytes: u64,
    /// The schema version of the file.
    pub schema: i64,
    /// The newest that this program knows.
    pub known_schema: i64,
    /// What it holds; nothing where the schema is another one.
    pub counts: Option<Counts>,
    /// Who holds it.
    pub holder: Holder,
    /// What SQLite's check found wrong; nothing where it wasn't made.
    pub damage: Option<Vec<String>>,
}

/// Who holds a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A host, with its process id if it is known.
    Host(Option<u32>),
}

/// Looks at the store in `folder`; `None` if there is none. `progress` is told
/// how many bytes there are before all of them are read.
///
/// # Errors
/// When the folder or file can't be read, or isn't a journal.
pub fn examine(
    folder: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<StoreReport>, OpenError> {
    let file = folder.join(FILE);
    let Ok(metadata) = fs::metadata(&file) else {
        return Ok(None);
    };
    let (holder, _lock) = match FolderLock::probe(folder)? {
        Probe::Free(lock) => (Holder::Nobody, Some(lock)),
        Probe::Held(by) => (Holder::Host(by), None),
        // A copy that was restored, say.
        Probe::Untouched => (Holder::Nobody, None),
    };
    let sqlite = |source| OpenError::Sqlite {
        file: file.clone(),
        source,
    };
    let conn = match holder {
        // Without a host the log's index may have to be made anew, which isn't
        // possible through a connection that only reads.
        Holder::Nobody => schema::open_helper(&file),
        Holder::Host(_) => Connection::open_with_flags(
            &file,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        ),
    };
    let conn = conn.map_err(sqlite)?;
    conn.busy_timeout(PATIENCE).map_err(sqlite)?;
    conn.pragma_update(None, "query_only", true)
        .map_err(sqlite)?;
    let (found, version) = schema::identity(&conn).map_err(sqlite)?;
    if found != schema::APPLICATION_ID {
        return Err(OpenError::Foreign { file, found });
    }
    let known_schema = schema::known();
    let counts = if version == known_schema {
        Some(Totals::load(&conn).map(Counts::from).map_err(sqlite)?)
    } else {
        None
    };
    let damage = match holder {
        Holder::Nobody => {
            progress(metadata.len());
            let mut damage = integrity(&conn).map_err(sqlite)?;
            if let Some(counts) = counts.filter(|_| damage.is_empty()) {
                damage = miscounted(&conn, counts).map_err(sqlite)?;
            }
            Some(damage)
        }
        Holder::Host(_) => None,
    };
    Ok(Some(StoreReport {
        bytes: metadata.len(),
        log_bytes: fs::metadata(log_path(&file)).map_or(0, |log| log.len()),
        schema: version,
        known_schema,
        counts,
        holder,
        damage,
        file,
    }))
}

/// SQLite's own check, in its words; empty if all is well.
fn integrity(conn: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let mut check = conn.prepare(&format!("PRAGMA integrity_check({FINDINGS})"))?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    let mut lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}

/// Where the kept totals differ from the rows.
fn miscounted(conn: &Connection, kept: Counts) -> Result<Vec<String>, rusqlite::Error> {
    let count = |sql: &str| -> Result<u64, rusqlite::Error> {
        conn.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map(|count| u64::try_from(count).unwrap_or(0))
    };
    let mut found = Vec::new();
    for (what, kept, sql) in [
        ("events", kept.events, "SELECT count(*) FROM event"),
        (
            "pending deliveries",
            kept.pending,
            "SELECT count(*) FROM delivery WHERE state = 0",
        ),
        (
            "dead deliveries",
            kept.dead,
            "SELECT count(*) FROM delivery WHERE state = 3",
        ),
    ] {
        let there = count(sql)?;
        if there != kept {
            found.push(format!("there are {there} {what}, and {kept} are counted"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::sqlite::SqliteJournal;
    use crate::journal::{JournalOptions, Upkeep as _};

    fn open(folder: &Path) -> SqliteJournal {
        let options = JournalOptions::default();
        SqliteJournal::open(folder, options, Arc::new(|_| {})).expect("it opens")
    }

    fn report(folder: &Path) -> Option<StoreReport> {
        examine(folder, &mut |_| {}).expect("it can be looked at")
    }

    #[tokio::test]
    async fn a_store_is_checked_whole_only_while_nobody_holds_it() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        assert!(report(folder.path()).is_none());
        assert!(!folder.path().join("lock").exists(), "nothing is made");

        let journal = open(folder.path());
        let held = report(folder.path()).expect("a store");
        assert_eq!(held.holder, Holder::Host(Some(std::process::id())));
        assert_eq!((held.damage, held.schema), (None, held.known_schema));
        assert_eq!(held.counts, Some(Counts::default()));

        journal.close().await;
        let free = report(folder.path()).expect("a store");
        assert_eq!(
            (free.holder, free.damage),
            (Holder::Nobody, Some(Vec::new()))
        );
        fs::remove_file(folder.path().join("lock")).expect("it was there");
        let copied = report(folder.path()).expect("a store");
        assert_eq!(copied.holder, Holder::Nobody);
        assert!(!folder.path().join("lock").exists(), "nothing is made");
        // It is free again for a host.
        open(folder.path()).close().await;
    }

    /// The names of a folder's files, with the content of all but the lock's and
    /// the log's index.
    fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let read = |entry: fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let changes = name == "lock" || name.ends_with("-shm");
            let bytes = fs::read(entry.path()).expect("read");
            (name, if changes { Vec::new() } else { bytes })
        };
        let entries = fs::read_dir(folder).expect("listed");
        let mut all: Vec<_> = entries.map(|entry| read(entry.expect("one"))).collect();
        all.sort();
        all
    }

    #[tokio::test]
    async fn neither_a_closed_store_nor_one_after_a_crash_is_changed() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let journal = open(folder.path());
        // What a crash leaves: the files of a host that runs.
        let crashed = tempfile::tempdir().expect("a scratch folder");
        for (name, _) in files(folder.path()) {
            fs::copy(folder.path().join(&name), crashed.path().join(&name)).expect("copied");
        }
        journal.close().await;
        drop(journal);
        for folder in [folder.path(), crashed.path()] {
            let before = files(folder);
            let found = report(folder).expect("a store");
            assert_eq!(found.damage, Some(Vec::new()));
            assert_eq!(files(folder), before);
        }
    }

    #[tokio::test]
    async fn totals_that_are_not_those_of_the_rows_are_damage() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        open(folder.path()).close().await;
        let conn = Connection::open(folder.path().join(FILE)).expect("opened");
        conn.execute("UPDATE totals SET events = 2", [])
            .expect("changed");
        drop(conn);
        let found = report(folder.path()).expect("a store").damage;
        let expected = "there are 0 events, and 2 are counted".to_owned();
        assert_eq!(found, Some(vec![expected]));
    }

    #[tokio::test]
    async fn a_damaged_store_and_another_programs_file_are_told_apart() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        open(folder.path()).close().await;
        let file = folder.path().join(FILE);
        let mut bytes = fs::read(&file).expect("read");
        // All pages but the first, which says what the file is.
        let page = usize::try_from(schema::PAGE_SIZE).expect("small");
        assert!(bytes.len() > page, "the log is in the file after closing");
        bytes[page..].fill(0xff);
        fs::write(&file, bytes).expect("written");
        let damage = examine(folder.path(), &mut |_| {});
        let found = match &damage {
            Ok(Some(report)) => !report.damage.as_ref().expect("checked").is_empty(),
            Ok(None) => false,
            // Too far gone to be asked.
            Err(OpenError::Sqlite { .. }) => true,
            Err(_) => false,
        };
        assert!(found, "{damage:?}");

        fs::write(&file, b"").expect("written");
        let other = examine(folder.path(), &mut |_| {});
        assert!(matches!(other, Err(OpenError::Foreign { .. })), "{other:?}");
    }
}
