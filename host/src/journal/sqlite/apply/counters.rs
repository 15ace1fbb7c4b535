//! Counters: sums of what handlers added.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Halt;
use super::owner::Owner;
use crate::journal::JournalError;
use crate::types::effects::CounterAdd;

/// Sums that fit.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    sums: BTreeMap<&'a str, i64>,
    /// How many of these the plugin hasn't had.
    new: i64,
}

/// Works out the sums; they stop at the ends of the range.
pub(super) fn plan<'a>(
    conn: &Connection,
    owner: Owner,
    adds: &'a [CounterAdd],
    quota: u64,
) -> Result<Plan<'a>, Halt> {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    let mut new = 0;
    for add in adds {
        let sum = match sums.get(add.name.as_str()) {
            Some(sum) => *sum,
            None => value(conn, owner.plugin, &add.name)?.unwrap_or_else(|| {
                new += 1;
                0
            }),
        };
        sums.insert(&add.name, sum.saturating_add(add.delta));
    }
    if new > 0 {
        let all = new + had(conn, owner.plugin)?;
        if u64::try_from(all).unwrap_or(0) > quota {
            return Err(Halt::Refused(JournalError::Quota(format!(
                "it would have {all} counters, more than the quota of {quota}: count under \
                 fewer names, or raise `journal.counters_quota`"
            ))));
        }
    }
    Ok(Plan { sums, new })
}

fn had(conn: &Connection, plugin: i64) -> Result<i64, rusqlite::Error> {
    conn.prepare_cached("SELECT counters FROM plugin WHERE id = ?1")?
        .query_row([plugin], |row| row.get(0))
}

fn value(conn: &Connection, plugin: i64, name: &str) -> Result<Option<i64>, rusqlite::Error> {
    conn.prepare_cached("SELECT value FROM counter WHERE plugin = ?1 AND name = ?2")?
        .query_row(params![plugin, name], |row| row.get(0))
        .optional()
}

impl Plan<'_> {
    pub(super) fn keep(self, conn: &Connection, owner: Owner) -> Result<(), rusqlite::Error> {
        let mut put = conn.prepare_cached(
            "INSERT INTO counter (plugin, name, value) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )?;
        for (name, sum) in self.sums {
            put.execute(params![owner.plugin, name, sum])?;
        }
        if self.new > 0 {
            conn.prepare_cached("UPDATE plugin SET counters = counters + ?2 WHERE id = ?1")?
                .execute([owner.plugin, self.new])?;
        }
        Ok(())
    }
}
