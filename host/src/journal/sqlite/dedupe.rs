//! Which events have been seen: keys by generation.
//!
//! A generation takes keys for one window; then the next one opens, so at most
//! two can hold a key that still counts. Old ones are dropped in small steps by
//! [`Dedupe::drop_some`].

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::types::{DedupeKey, EventId, UnixMicros};

/// The dedupe keys of the file.
#[derive(Debug)]
pub(super) struct Dedupe {
    window: Duration,
    /// Oldest first; the last one takes the keys.
    generations: Vec<Generation>,
}

#[derive(Clone, Copy, Debug)]
struct Generation {
    id: i64,
    opened_at: UnixMicros,
    newest_at: UnixMicros,
    changed: bool,
}

impl Dedupe {
    /// Reads what generations there are.
    pub(super) fn load(conn: &Connection, window: Duration) -> Result<Self, rusqlite::Error> {
        let generations = conn
            .prepare("SELECT id, opened_at, newest_at FROM dedupe_generation ORDER BY id")?
            .query_map([], |row| {
                Ok(Generation {
                    id: row.get(0)?,
                    opened_at: UnixMicros(row.get(1)?),
                    newest_at: UnixMicros(row.get(2)?),
                    changed: false,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(Self {
            window,
            generations,
        })
    }

    /// The event that had this key inside the window before `at`.
    pub(super) fn find(
        &self,
        conn: &Connection,
        endpoint: i64,
        key: DedupeKey,
        at: UnixMicros,
    ) -> Result<Option<EventId>, rusqlite::Error> {
        if self.window.is_zero() {
            return Ok(None);
        }
        let oldest = at.before(self.window);
        for generation in self.generations.iter().rev() {
            if generation.newest_at <= oldest {
                continue;
            }
            let found = conn
                .prepare_cached(
                    "SELECT event_id, received_at FROM dedupe
                     WHERE generation = ?1 AND endpoint = ?2 AND key = ?3",
                )?
                .query_row(params![generation.id, endpoint, &key.0[..]], |row| {
                    Ok((row.get::<_, [u8; 16]>(0)?, UnixMicros(row.get(1)?)))
                })
                .optional()?;
            if let Some((id, _)) = found.filter(|&(_, seen_at)| seen_at > oldest) {
                return Ok(Some(EventId(Uuid::from_bytes(id))));
            }
        }
        Ok(None)
    }

    /// Remembers an event's key.
    pub(super) fn remember(
        &mut self,
        conn: &Connection,
        endpoint: i64,
        key: DedupeKey,
        event: EventId,
        at: UnixMicros,
    ) -> Result<(), rusqlite::Error> {
        if self.window.is_zero() {
            return Ok(());
        }
        let generation = self.current(conn, at)?;
        conn.prepare_cached(
            "INSERT INTO dedupe (generation, endpoint, key, event_id, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET
               event_id = excluded.event_id, received_at = excluded.received_at",
        )?
        .execute(params![
            generation,
            endpoint,
            &key.0[..],
            &event.0.as_bytes()[..],
            at.0
        ])?;
        Ok(())
    }

    /// Writes what changed about the generations; once for each commit.
    pub(super) fn save(&mut self, conn: &Connection) -> Result<(), rusqlite::Error> {
        for generation in self.generations.iter_mut().filter(|g| g.changed) {
            conn.prepare_cached("UPDATE dedupe_generation SET newest_at = ?2 WHERE id = ?1")?
                .execute(params![generation.id, generation.newest_at.0])?;
            generation.changed = false;
        }
        Ok(())
    }

    /// Drops at most `limit` keys that no longer count; returns whether there
    /// may be more.
    pub(super) fn drop_some(
        &mut self,
        conn: &Connection,
        now: UnixMicros,
        limit: i64,
    ) -> Result<bool, rusqlite::Error> {
        let oldest = now.before(self.window);
        let Some(first) = self.generations.first().copied() else {
            return Ok(false);
        };
        if first.newest_at > oldest {
            return Ok(false);
        }
        // The end of the slice, then everything up to it: a range of the key,
        // so whole pages are freed.
        let end: Option<(i64, Vec<u8>)> = conn
            .prepare_cached(
                "SELECT endpoint, key FROM dedupe WHERE generation = ?1
                 ORDER BY endpoint, key LIMIT 1 OFFSET ?2",
            )?
            .query_row(params![first.id, limit - 1], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        if let Some((endpoint, key)) = end {
            conn.prepare_cached(
                "DELETE FROM dedupe WHERE generation = ?1 AND (endpoint, key) <= (?2, ?3)",
            )?
            .execute(params![first.id, endpoint, key])?;
            return Ok(true);
        }
        conn.prepare_cached("DELETE FROM dedupe WHERE generation = ?1")?
            .execute([first.id])?;
        conn.prepare_cached("DELETE FROM dedupe_generation WHERE id = ?1")?
            .execute([first.id])?;
        self.generations.remove(0);
        Ok(true)
    }

    /// The generation that takes keys at this moment.
    fn current(&mut self, conn: &Connection, at: UnixMicros) -> Result<i64, rusqlite::Error> {
        let open_until = |g: &Generation| g.opened_at.after(self.window);
        if let Some(last) = self.generations.last_mut()
            && at < open_until(last)
        {
            if at > last.newest_at {
                last.newest_at = at;
                last.changed = true;
            }
            return Ok(last.id);
        }
        let id = conn
            .prepare_cached(
                "INSERT INTO dedupe_generation (opened_at, newest_at) VALUES (?1, ?1) RETURNING id",
            )?
            .query_row([at.0], |row| row.get(0))?;
        self.generations.push(Generation {
            id,
            opened_at: at,
            newest_at: at,
            changed: false,
        });
        Ok(id)
    }
}
