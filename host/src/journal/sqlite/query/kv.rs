//! A plugin's entries.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::route::plugin_row;
use super::super::rows::limited;
use crate::journal::KV_PAGE;
use crate::types::PluginKey;
use crate::types::effects::{KvEntry, KvPage, KvSnapshot, KvVersion};

/// See [`KeyValue::kv_open`](crate::journal::KeyValue::kv_open).
pub(in super::super) fn kv_open(
    conn: &Connection,
    plugin: &PluginKey,
) -> Result<KvSnapshot, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT t.kv_version, ifnull((
           SELECT p.kv_bytes FROM plugin p JOIN endpoint e ON e.id = p.endpoint
           WHERE e.name = ?1 AND p.name = ?2), 0) FROM totals t",
    )?
    .query_row([plugin.endpoint.as_str(), plugin.plugin.as_str()], |row| {
        Ok(KvSnapshot {
            version: KvVersion(row.get(0)?),
            used: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
        })
    })
}

/// See [`KeyValue::kv_get`](crate::journal::KeyValue::kv_get).
pub(in super::super) fn kv_get(
    conn: &Connection,
    plugin: &PluginKey,
    bucket: &str,
    keys: &[String],
) -> Result<Vec<Option<KvEntry>>, rusqlite::Error> {
    // All of one moment; a single statement is that by itself.
    let _moment = match keys.len() {
        0 | 1 => None,
        _ => Some(conn.unchecked_transaction()?),
    };
    let Some(plugin) = plugin_row(conn, plugin)? else {
        return Ok(vec![None; keys.len()]);
    };
    let mut statement = conn.prepare_cached(
        "SELECT version, value FROM kv WHERE plugin = ?1 AND bucket = ?2 AND key = ?3",
    )?;
    keys.iter()
        .map(|key| {
            statement
                .query_row(params![plugin, bucket, key], |row| {
                    Ok(KvEntry {
                        version: KvVersion(row.get(0)?),
                        value: Bytes::from(row.get::<_, Vec<u8>>(1)?),
                    })
                })
                .optional()
        })
        .collect()
}

/// See [`KeyValue::kv_list`](crate::journal::KeyValue::kv_list).
pub(in super::super) fn kv_list(
    conn: &Connection,
    plugin: &PluginKey,
    bucket: &str,
    after: Option<&str>,
) -> Result<KvPage, rusqlite::Error> {
    let Some(plugin) = plugin_row(conn, plugin)? else {
        return Ok(KvPage::default());
    };
    // Not "above nothing": the empty text is a key as well.
    let from = match after {
        Some(_) => "key > ?3",
        None => "key >= ?3",
    };
    let mut keys = conn
        .prepare_cached(&format!(
            "SELECT key, version FROM kv WHERE plugin = ?1 AND bucket = ?2 AND {from}
             ORDER BY key LIMIT ?4"
        ))?
        .query_map(
            params![plugin, bucket, after.unwrap_or(""), limited(KV_PAGE + 1)],
            |row| Ok((row.get(0)?, KvVersion(row.get(1)?))),
        )?
        .collect::<Result<Vec<_>, _>>()?;
    let more = keys.len() > KV_PAGE;
    keys.truncate(KV_PAGE);
    Ok(KvPage { keys, more })
}
