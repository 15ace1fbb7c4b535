//! Key-value: whether what an attempt read is still so, and its writes.
//!
//! An attempt reads without holding anything. What it found (versions, misses,
//! listed keys) is compared with what is there in the transaction that keeps its
//! writes, so of two attempts that read and write the same key one conflicts,
//! also inside one batch.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};

use super::owner::Owner;
use super::{Halt, count};
use crate::journal::JournalError;
use crate::types::effects::{KvEffects, KvKey, KvRange, KvVersion, KvWrite};

/// Compares all that was read with what is there.
pub(super) fn check(conn: &Connection, plugin: i64, kv: &KvEffects) -> Result<(), Halt> {
    for (at, found) in &kv.reads {
        if version(conn, plugin, at)? != *found {
            return Err(conflict(at.clone()));
        }
    }
    for range in &kv.ranges {
        if let Some(key) = difference(conn, plugin, range)? {
            return Err(conflict(KvKey {
                bucket: range.bucket.clone(),
                key,
            }));
        }
    }
    Ok(())
}

fn conflict(at: KvKey) -> Halt {
    Halt::Refused(JournalError::Conflict { at })
}

fn version(
    conn: &Connection,
    plugin: i64,
    at: &KvKey,
) -> Result<Option<KvVersion>, rusqlite::Error> {
    conn.prepare_cached("SELECT version FROM kv WHERE plugin = ?1 AND bucket = ?2 AND key = ?3")?
        .query_row(params![plugin, at.bucket, at.key], |row| {
            row.get(0).map(KvVersion)
        })
        .optional()
}

/// The first key that is in the range now and wasn't, or the other way round.
/// Looks at no more keys than were listed, and one.
fn difference(
    conn: &Connection,
    plugin: i64,
    range: &KvRange,
) -> Result<Option<String>, rusqlite::Error> {
    // A bound that isn't there is left out of the statement: only then does it
    // stop at the other one.
    let mut sql = "SELECT key FROM kv WHERE plugin = ? AND bucket = ?".to_owned();
    let mut params: Vec<&dyn ToSql> = vec![&plugin, &range.bucket];
    if let Some(after) = &range.after {
        sql.push_str(" AND key > ?");
        params.push(after);
    }
    if let Some(through) = &range.through {
        sql.push_str(" AND key <= ?");
        params.push(through);
    }
    sql.push_str(" ORDER BY key");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(&params[..])?;
    let mut listed = range.keys.iter();
    loop {
        let found: Option<String> = rows.next()?.map(|row| row.get(0)).transpose()?;
        match (found, listed.next()) {
            (None, None) => return Ok(None),
            (Some(found), Some(was)) if found == *was => {}
            (Some(found), Some(was)) => return Ok(Some(found.min(was.clone()))),
            (Some(found), None) => return Ok(Some(found)),
            (None, Some(was)) => return Ok(Some(was.clone())),
        }
    }
}

/// Writes that fit.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// In the order of the table.
    writes: BTreeMap<&'a KvKey, Option<&'a Bytes>>,
    /// What the plugin has, before and afterwards.
    bytes: (i64, i64),
}

/// Adds up what the plugin will have. What has outgrown its share may still
/// shrink.
pub(super) fn plan<'a>(
    conn: &Connection,
    owner: Owner,
    writes: &'a [KvWrite],
    quota: u64,
) -> Result<Plan<'a>, Halt> {
    let writes: BTreeMap<_, _> = writes
        .iter()
        .map(|write| (&write.at, write.value.as_ref()))
        .collect();
    let before: i64 = conn
        .prepare_cached("SELECT kv_bytes FROM plugin WHERE id = ?1")?
        .query_row([owner.plugin], |row| row.get(0))?;
    let mut bytes = before;
    for (at, value) in &writes {
        let name = count(at.bucket.len() + at.key.len());
        if let Some(old) = length(conn, owner.plugin, at)? {
            bytes -= name + old;
        }
        if let Some(value) = value {
            bytes += name + count(value.len());
        }
    }
    if bytes > before && u64::try_from(bytes).unwrap_or(0) > quota {
        return Err(Halt::Refused(JournalError::Quota(format!(
            "its key-value entries would have {bytes} bytes, more than the quota of {quota}"
        ))));
    }
    Ok(Plan {
        writes,
        bytes: (before, bytes),
    })
}

fn length(conn: &Connection, plugin: i64, at: &KvKey) -> Result<Option<i64>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT length(value) FROM kv WHERE plugin = ?1 AND bucket = ?2 AND key = ?3",
    )?
    .query_row(params![plugin, at.bucket, at.key], |row| row.get(0))
    .optional()
}

impl Plan<'_> {
    pub(super) fn keep(
        self,
        conn: &Connection,
        owner: Owner,
        version: i64,
    ) -> Result<(), rusqlite::Error> {
        let mut put = conn.prepare_cached(
            "INSERT INTO kv (plugin, bucket, key, version, value) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value",
        )?;
        let mut delete =
            conn.prepare_cached("DELETE FROM kv WHERE plugin = ?1 AND bucket = ?2 AND key = ?3")?;
        for (at, value) in self.writes {
            match value {
                Some(value) => put.execute(params![
                    owner.plugin,
                    at.bucket,
                    at.key,
                    version,
                    &value[..]
                ])?,
                None => delete.execute(params![owner.plugin, at.bucket, at.key])?,
            };
        }
        let (before, after) = self.bytes;
        if before != after {
            conn.prepare_cached("UPDATE plugin SET kv_bytes = ?2 WHERE id = ?1")?
                .execute([owner.plugin, after])?;
        }
        Ok(())
    }
}
