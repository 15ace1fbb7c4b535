//! Whose effects an outcome brings.

use rusqlite::{Connection, OptionalExtension as _};

use crate::types::DeliveryId;

/// Whose effects they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) plugin: i64,
    pub(super) event: i64,
    pub(super) delivery: DeliveryId,
}

impl Owner {
    /// That of a pending delivery.
    ///
    /// Without a join: SQLite would plan that anew for each value of the parameter.
    pub(super) fn of(
        conn: &Connection,
        delivery: DeliveryId,
    ) -> Result<Option<Self>, rusqlite::Error> {
        conn.prepare_cached("SELECT plugin, event FROM delivery WHERE id = ?1 AND state = 0")?
            .query_row([delivery.0], |row| {
                Ok(Self {
                    plugin: row.get(0)?,
                    event: row.get(1)?,
                    delivery,
                })
            })
            .optional()
    }
}
