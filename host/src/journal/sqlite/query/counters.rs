//! A plugin's counters.

use rusqlite::Connection;

use super::super::route::plugin_row;
use crate::journal::Counter;
use crate::types::PluginKey;

/// See [`Journal::counters`](crate::journal::Inspect::counters).
pub(in super::super) fn counters(
    conn: &Connection,
    plugin: &PluginKey,
) -> Result<Vec<Counter>, rusqlite::Error> {
    let Some(plugin) = plugin_row(conn, plugin)? else {
        return Ok(Vec::new());
    };
    conn.prepare_cached("SELECT name, value FROM counter WHERE plugin = ?1 ORDER BY name")?
        .query_map([plugin], |row| {
            Ok(Counter {
                name: row.get(0)?,
                value: row.get(1)?,
            })
        })?
        .collect()
}
