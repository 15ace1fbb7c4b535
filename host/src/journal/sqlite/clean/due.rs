//! Requests that wait for a time which a wrong clock has made: it was set back
//! after they had been queued or tried. Nobody waits for that clock's time to come.

use rusqlite::{Connection, params};

use crate::types::UnixMicros;

/// Requests made due in one step, of each plugin.
const STEP: usize = 256;

/// The last ones of a plugin, by the index of what is due.
const LAST: &str = "SELECT id, due_at, ifnull(started_at, queued_at) FROM outbox
     WHERE plugin = ?1 AND state = 0 ORDER BY due_at DESC, id DESC LIMIT ?2";

/// Makes some due; returns whether there may be more.
pub(super) fn make(conn: &Connection, now: UnixMicros) -> Result<bool, rusqlite::Error> {
    let plugins: Vec<i64> = conn
        .prepare_cached("SELECT id FROM plugin")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut more = false;
    for plugin in plugins {
        let last: Vec<(i64, i64, i64)> = conn
            .prepare_cached(LAST)?
            .query_map(params![plugin, super::super::rows::limited(STEP)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        let wrong = last
            .iter()
            .take_while(|(_, due_at, touched_at)| *due_at > now.0 && *touched_at > now.0);
        let mut made = 0;
        for (id, ..) in wrong {
            conn.prepare_cached("UPDATE outbox SET due_at = ?2 WHERE id = ?1")?
                .execute([*id, now.0])?;
            made += 1;
        }
        more |= made == STEP;
    }
    Ok(more)
}
