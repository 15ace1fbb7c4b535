//! Lists for people, newest first, in bounded statements: no read transaction
//! lasts longer than one of them.

use rusqlite::Connection;

use super::super::route::plugin_row;
use crate::types::PluginKey;

/// The plugins that a filter leaves.
pub(super) enum Plugins {
    All,
    One(i64),
}

impl Plugins {
    /// `None` if there is no such plugin.
    pub(super) fn of(
        conn: &Connection,
        filter: Option<&PluginKey>,
    ) -> Result<Option<Self>, rusqlite::Error> {
        Ok(match filter {
            None => Some(Self::All),
            Some(key) => plugin_row(conn, key)?.map(Self::One),
        })
    }

    /// The only one, if there is one.
    pub(super) fn one(&self) -> Option<i64> {
        match self {
            Self::One(id) => Some(*id),
            Self::All => None,
        }
    }

    /// Their rows.
    pub(super) fn rows(&self, conn: &Connection) -> Result<Vec<i64>, rusqlite::Error> {
        match self {
            Self::All => conn
                .prepare_cached("SELECT id FROM plugin")?
                .query_map([], |row| row.get(0))?
                .collect(),
            Self::One(id) => Ok(vec![*id]),
        }
    }
}

/// Where to look, from the newest number down.
pub(super) struct Scan {
    /// The table and its key.
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    /// Rows looked at in one statement.
    pub(super) step: i64,
    /// Only numbers below this one.
    pub(super) before: i64,
}

impl Scan {
    /// Asks `page` for the rows `first..end` that fit, newest first, at most so
    /// many, until there are `limit`.
    pub(super) fn run<T>(
        &self,
        conn: &Connection,
        limit: usize,
        mut page: impl FnMut(i64, i64, usize) -> Result<Vec<T>, rusqlite::Error>,
    ) -> Result<Vec<T>, rusqlite::Error> {
        let Self { table, key, .. } = self;
        let (oldest, newest): (i64, i64) = conn
            .prepare_cached(&format!(
                "SELECT ifnull((SELECT min({key}) FROM {table}), 0),
                   ifnull((SELECT max({key}) FROM {table}), -1)"
            ))?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut found = Vec::new();
        let mut end = self.before.min(newest + 1);
        while end > oldest && found.len() < limit {
            let first = (end - self.step).max(oldest);
            found.extend(page(first, end, limit - found.len())?);
            end = first;
        }
        Ok(found)
    }
}
