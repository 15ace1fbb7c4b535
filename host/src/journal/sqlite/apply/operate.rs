//! What an operator has done again, in small steps.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::route::plugin_row;
use super::super::rows::plugin_key;
use super::super::totals::{state_code, state_of};
use super::{News, State, shelve};
use crate::journal::{DeliveryState, Replayed, Retried};
use crate::types::{DeliveryId, EventSeq, PluginKey};

/// Dead deliveries made pending in one step.
const STEP: usize = 256;

impl State {
    /// Makes a dead delivery pending again.
    pub(super) fn retry(
        &mut self,
        conn: &Connection,
        delivery: DeliveryId,
        news: &mut News,
    ) -> Result<Retried, rusqlite::Error> {
        let found = conn
            .prepare_cached(
                "SELECT d.state, n.name, p.name FROM delivery d JOIN plugin p ON p.id = d.plugin
                 JOIN endpoint n ON n.id = p.endpoint WHERE d.id = ?1",
            )?
            .query_row([delivery.0], |row| {
                Ok((state_of(row.get(0)?)?, plugin_key(row, 1)?))
            })
            .optional()?;
        match found {
            None => Ok(Retried::Unknown),
            Some((DeliveryState::Dead, plugin)) => {
                self.revive(conn, delivery.0)?;
                news.manual.insert(plugin);
                Ok(Retried::Pending)
            }
            Some(_) => Ok(Retried::NotDead),
        }
    }

    /// Makes a plugin's next few dead deliveries pending again.
    pub(super) fn retry_dead(
        &mut self,
        conn: &Connection,
        plugin: &PluginKey,
        after: DeliveryId,
        news: &mut News,
    ) -> Result<Replayed<DeliveryId>, rusqlite::Error> {
        let mut dead: Vec<i64> = Vec::new();
        if let Some(row) = plugin_row(conn, plugin)? {
            let mut statement = conn.prepare_cached(
                "SELECT id FROM delivery WHERE plugin = ?1 AND state = 3 AND id > ?2
                 ORDER BY id LIMIT ?3",
            )?;
            let found =
                statement.query_map([row, after.0, super::count(STEP)], |row| row.get(0))?;
            dead = found.collect::<Result<_, _>>()?;
        }
        for delivery in &dead {
            self.revive(conn, *delivery)?;
        }
        if !dead.is_empty() {
            news.manual.insert(plugin.clone());
        }
        Ok(Replayed {
            deliveries: dead.len() as u64,
            seen: dead.len() as u64,
            next: dead
                .last()
                .filter(|_| dead.len() == STEP)
                .map(|id| DeliveryId(*id)),
        })
    }

    /// Begins a dead delivery anew, with its attempts in the history.
    fn revive(&mut self, conn: &Connection, delivery: i64) -> Result<(), rusqlite::Error> {
        shelve(conn, delivery, DeliveryState::Dead)?;
        conn.prepare_cached(
            "UPDATE delivery SET state = ?2, manual = max(manual, 1), attempts = 0, traps = 0,
               due_at = NULL, reason = NULL, started_at = NULL, duration_us = NULL,
               cpu_us = NULL, peak_memory = NULL, log = NULL
             WHERE id = ?1",
        )?
        .execute([delivery, state_code(DeliveryState::Pending)])?;
        self.totals
            .shift(DeliveryState::Dead, DeliveryState::Pending, 1);
        Ok(())
    }

    /// Makes a delivery of each of these events that is still there, if the
    /// plugin is still on the list.
    pub(super) fn replay(
        &mut self,
        conn: &Connection,
        plugin: &PluginKey,
        events: &[EventSeq],
        news: &mut News,
    ) -> Result<u64, rusqlite::Error> {
        let Some(plugin_id) = self.routes.id_of(plugin) else {
            return Ok(0);
        };
        let mut made = 0;
        let mut insert = conn.prepare_cached(
            "INSERT INTO delivery (id, event, plugin, state, attempts, traps, manual)
             SELECT ?1, seq, ?3, 0, 0, 0, 2 FROM event WHERE seq = ?2",
        )?;
        for event in events {
            if insert.execute(params![self.totals.next_delivery, event.0, plugin_id])? > 0 {
                self.totals.next_delivery += 1;
                made += 1;
            }
        }
        if made > 0 {
            self.totals.add(DeliveryState::Pending, made);
            news.manual.insert(plugin.clone());
        }
        Ok(u64::try_from(made).unwrap_or(0))
    }
}
