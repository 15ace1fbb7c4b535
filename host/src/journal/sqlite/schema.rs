//! The file: its format, its versions and how connections to it are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{OpenError, Tuning};

/// "hkbx": tells the file from other SQLite databases.
pub(super) const APPLICATION_ID: i32 = 0x686b_6278;

/// One step from each schema version to the next; the file's `user_version` is
/// the number of steps that it has taken. Released steps never change.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// The bytes of a page, fixed when the file is created. A commit writes whole
/// pages to the log, so small ones cost less: the journal's benchmark did 32,000
/// appends a second with 4 KiB, 27,000 with 8 KiB, and 8 KiB saved 4 % of the
/// space.
pub(super) const PAGE_SIZE: u32 = 4096;

/// The writer's page cache, in KiB.
const WRITER_CACHE_KIB: i64 = 32 * 1024;

/// A WAL file that once grew past this is cut back when it starts over.
const WAL_KEEP_BYTES: i64 = 96 * 1024 * 1024;

/// Opens the writing connection, creating and migrating the file.
pub(super) fn open_writer(file: &Path, tuning: &Tuning) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        file: file.into(),
        source,
    };
    let mut conn = Connection::open(file).map_err(sqlite)?;
    let (application_id, version) = identity(&conn).map_err(sqlite)?;
    let fresh = application_id == 0 && version == 0 && is_empty(&conn).map_err(sqlite)?;
    if !fresh && application_id != APPLICATION_ID {
        return Err(OpenError::Foreign {
            file: file.into(),
            found: application_id,
        });
    }
    let known = known();
    if version > known {
        return Err(OpenError::Newer {
            file: file.into(),
            found: version,
            known,
        });
    }
    if fresh {
        create(&conn, tuning).map_err(sqlite)?;
    }
    set_up_writer(&conn, tuning).map_err(sqlite)?;
    migrate(&mut conn, version).map_err(sqlite)?;
    Ok(conn)
}

/// Opens a connection that never writes rows: for readers and checkpoints.
pub(super) fn open_helper(file: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    leave_log_on_close(&conn)?;
    Ok(conn)
}

/// By default the last connection to close copies the log into the file. After a
/// failed sync that must not happen: the log may have a gap on the disk that
/// only [`super::log_file::settle`] closes, and pages copied from behind it
/// would not fit the rest after a power cut.
fn leave_log_on_close(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

/// The newest version that is known here.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The file's application id and schema version.
pub(super) fn identity(conn: &Connection) -> Result<(i32, i64), rusqlite::Error> {
    let application_id = conn.pragma_query_value(None, "application_id", |r| r.get(0))?;
    let version = conn.pragma_query_value(None, "user_version", |r| r.get(0))?;
    Ok((application_id, version))
}

fn is_empty(conn: &Connection) -> Result<bool, rusqlite::Error> {
    conn.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |r| r.get(0))
}

/// What can only be chosen before the first table: the page size, and that
/// freed pages can be given back to the file system in small steps.
fn create(conn: &Connection, tuning: &Tuning) -> Result<(), rusqlite::Error> {
    conn.pragma_update(None, "page_size", tuning.page_size)?;
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    Ok(())
}

fn set_up_writer(conn: &Connection, tuning: &Tuning) -> Result<(), rusqlite::Error> {
    conn.busy_timeout(Duration::from_secs(5))?;
    leave_log_on_close(conn)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let synchronous = if tuning.unsafe_no_sync { "OFF" } else { "FULL" };
    conn.pragma_update(None, "synchronous", synchronous)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "journal_size_limit", WAL_KEEP_BYTES)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // The writer makes the references itself, in one place each; checking them
    // again would cost a lookup for each row.
    conn.pragma_update(None, "foreign_keys", false)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    if let Some(pages) = tuning.max_pages {
        conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn migrate(conn: &mut Connection, from: i64) -> Result<(), rusqlite::Error> {
    let done = usize::try_from(from).unwrap_or(usize::MAX);
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", i64::try_from(step + 1).unwrap_or(0))?;
        tx.commit()?;
    }
    Ok(())
}
