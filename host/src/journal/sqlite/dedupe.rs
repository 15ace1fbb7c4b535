//! Which events have been seen: keys by generation.
//!
//! Each endpoint has a window of its own; generations go by the longest of them.
//! A generation takes keys for one window; then the next one opens, so at most
//! two can hold a key that still counts, one more for each jump of the clock. Old ones are dropped in small steps by
//! [`Dedupe::drop_some`].
//!
//! ```text
//! fresh: rows by time, and in memory ──▶ settling: sorted, a few in each commit ──▶ dedupe
//! ```
//!
//! Keys are hashes, so putting each into the sorted table by itself would write
//! a page for every event. They gather first and go over in the order of the
//! table. Until all of a lot have, its rows stay: after a crash it starts again.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::types::{DedupeKey, EventId, UnixMicros};

/// Keys that gather before they are sorted in. Both lots in memory take about
/// ten megabytes.
pub(super) const LOT: usize = 64 * 1024;
/// Keys sorted in for each request of a commit: a lot has settled before the
/// next one has gathered, and a small commit stays small.
const SETTLE: usize = 2;
/// Fresh rows removed at a time once their lot has settled.
const REMOVE: i64 = 512;

/// A key's place in the sorted table: generation, endpoint, key.
type Place = (i64, i64, [u8; 16]);

/// The event that had a key, and when.
type Seen = ([u8; 16], UnixMicros);

/// The dedupe keys of the file.
#[derive(Debug)]
pub(super) struct Dedupe {
    /// The longest window of an endpoint: for so long a generation takes keys,
    /// and for so long these may count.
    window: Duration,
    /// Oldest first; the last one takes the keys.
    generations: Vec<Generation>,
    /// As in `dedupe_fresh`, above `settled_to`.
    fresh: HashMap<Place, Seen>,
    /// The lot that is being sorted in: found here until all of it has been.
    settling: BTreeMap<Place, Seen>,
    /// Where sorting in goes on.
    next: Option<Place>,
    /// The last fresh row of the settling lot, or of the one before.
    lot_end: i64,
    /// The row for the next fresh key.
    next_row: i64,
    /// Rows up to `lot_end` that are no longer needed.
    leftover: bool,
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
        let mut dedupe = Self {
            window,
            generations,
            fresh: HashMap::new(),
            settling: BTreeMap::new(),
            next: None,
            lot_end: 0,
            next_row: 1,
            leftover: false,
        };
        let mut statement = conn.prepare(
            "SELECT id, generation, endpoint, key, event_id, received_at FROM dedupe_fresh
             ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            dedupe.next_row = row.get::<_, i64>(0)? + 1;
            let place: Place = (row.get(1)?, row.get(2)?, row.get(3)?);
            if !dedupe.generations.iter().any(|g| g.id == place.0) {
                // Left over from a lot whose generation has been dropped since:
                // goes with the next lot.
                continue;
            }
            let seen = (row.get(4)?, UnixMicros(row.get(5)?));
            dedupe.fresh.insert(place, seen);
        }
        Ok(dedupe)
    }

    /// The event that had this key less than `window` before `at`. Or after it: the
    /// clock may have been set back since, but what it had been set forward by
    /// mistake must not swallow events for as long.
    pub(super) fn find(
        &self,
        conn: &Connection,
        endpoint: i64,
        key: DedupeKey,
        at: UnixMicros,
        window: Duration,
    ) -> Result<Option<EventId>, rusqlite::Error> {
        let (oldest, newest) = (at.before(window), at.after(window));
        let counts = |seen_at| oldest < seen_at && seen_at < newest;
        for generation in self.generations.iter().rev() {
            if generation.newest_at <= oldest {
                continue;
            }
            let place = (generation.id, endpoint, key.0);
            let found = match self.fresh.get(&place).or_else(|| self.settling.get(&place)) {
                Some(seen) => Some(*seen),
                None => sorted(conn, &place)?,
            };
            if let Some((id, _)) = found.filter(|&(_, seen_at)| counts(seen_at)) {
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
        let generation = self.current(conn, at)?;
        conn.prepare_cached(
            "INSERT INTO dedupe_fresh (id, generation, endpoint, key, event_id, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            self.next_row,
            generation,
            endpoint,
            &key.0[..],
            &event.0.as_bytes()[..],
            at.0
        ])?;
        self.next_row += 1;
        self.fresh
            .insert((generation, endpoint, key.0), (*event.0.as_bytes(), at));
        Ok(())
    }

    /// Writes what changed about the generations and sorts some keys in; once
    /// for each commit, which had `ops` requests.
    pub(super) fn save(&mut self, conn: &Connection, ops: usize) -> Result<(), rusqlite::Error> {
        self.settle(conn, SETTLE * ops)?;
        for generation in self.generations.iter_mut().filter(|g| g.changed) {
            conn.prepare_cached("UPDATE dedupe_generation SET newest_at = ?2 WHERE id = ?1")?
                .execute(params![generation.id, generation.newest_at.0])?;
            generation.changed = false;
        }
        Ok(())
    }

    fn settle(&mut self, conn: &Connection, limit: usize) -> Result<(), rusqlite::Error> {
        if self.settling.is_empty() {
            if self.leftover {
                let removed = conn
                    .prepare_cached(
                        "DELETE FROM dedupe_fresh WHERE id IN
                         (SELECT id FROM dedupe_fresh WHERE id <= ?1 ORDER BY id LIMIT ?2)",
                    )?
                    .execute([self.lot_end, REMOVE])?;
                self.leftover = removed > 0;
            } else if self.fresh.len() >= LOT {
                self.settling = std::mem::take(&mut self.fresh).into_iter().collect();
                self.next = self.settling.keys().next().copied();
                self.lot_end = self.next_row - 1;
            }
            return Ok(());
        }
        let Some(from) = self.next else {
            self.settling = BTreeMap::new();
            self.leftover = true;
            return Ok(());
        };
        let mut insert = conn.prepare_cached(
            "INSERT INTO dedupe (generation, endpoint, key, event_id, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET
               event_id = excluded.event_id, received_at = excluded.received_at",
        )?;
        let mut rest = self.settling.range(from..);
        for ((generation, endpoint, key), (event, at)) in rest.by_ref().take(limit) {
            insert.execute(params![generation, endpoint, &key[..], &event[..], at.0])?;
        }
        self.next = rest.next().map(|(place, _)| *place);
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
        // Not always the first: that may be from a time when the clock was wrong.
        let found = self.generations.iter().position(|g| g.newest_at <= oldest);
        let Some(place) = found else {
            return Ok(false);
        };
        let first = self.generations[place];
        let holds = |(generation, _, _): &Place| *generation == first.id;
        if self.settling.keys().next().is_some_and(holds) || self.fresh.keys().any(holds) {
            return self.forget_fresh(conn, first.id);
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
        self.generations.remove(place);
        Ok(true)
    }

    /// Takes a generation that no longer counts out of what gathers; the rows
    /// of a lot that is being sorted in go with their lot.
    fn forget_fresh(
        &mut self,
        conn: &Connection,
        generation: i64,
    ) -> Result<bool, rusqlite::Error> {
        if !self.settling.is_empty() {
            return Ok(false);
        }
        self.fresh.retain(|place, _| place.0 != generation);
        conn.prepare_cached("DELETE FROM dedupe_fresh WHERE generation = ?1")?
            .execute([generation])?;
        Ok(true)
    }

    /// The generation that takes keys at this moment.
    fn current(&mut self, conn: &Connection, at: UnixMicros) -> Result<i64, rusqlite::Error> {
        let window = self.window;
        // Not those of a clock that had been set forward: it would take keys until
        // that time comes, and keep them all.
        let takes =
            |g: &Generation| g.opened_at.before(window) < at && at < g.opened_at.after(window);
        if let Some(last) = self.generations.last_mut()
            && takes(last)
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

/// Looks a key up in the sorted table.
fn sorted(conn: &Connection, place: &Place) -> Result<Option<Seen>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT event_id, received_at FROM dedupe
         WHERE generation = ?1 AND endpoint = ?2 AND key = ?3",
    )?
    .query_row(params![place.0, place.1, &place.2[..]], |row| {
        Ok((row.get(0)?, UnixMicros(row.get(1)?)))
    })
    .optional()
}
