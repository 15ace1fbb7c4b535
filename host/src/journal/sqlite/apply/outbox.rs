//! Requests to send: queued with the outcome of the attempt that wanted them.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::target::target;
use super::super::totals::{Totals, outbox_code, outbox_state_of};
use super::owner::Owner;
use super::{Halt, News, State, count};
use crate::journal::{JournalError, OutboxFinish, OutboxNext, OutboxState, Retried};
use crate::types::effects::OutgoingRequest;
use crate::types::{OutboxId, UnixMicros};

/// Queues requests, due at once.
pub(super) fn queue(
    conn: &Connection,
    totals: &mut Totals,
    owner: Owner,
    requests: &[OutgoingRequest],
    now: UnixMicros,
) -> Result<(), rusqlite::Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO outbox (id, event, delivery, plugin, idx, state, attempts, queued_at, due_at,
           method, target, url, headers, body)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for (index, request) in requests.iter().enumerate() {
        let headers = serde_json::to_string(&request.headers)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        insert.execute(params![
            totals.next_outbox,
            owner.event,
            owner.delivery.0,
            owner.plugin,
            count(index),
            now.0,
            request.method,
            target(&request.url),
            request.url,
            headers,
            &request.body[..]
        ])?;
        totals.next_outbox += 1;
        totals.outbox_pending += 1;
    }
    Ok(())
}

impl State {
    /// Stores what became of a request. As with a delivery, a retry that is
    /// stored already counts once.
    pub(super) fn outbox_finish(
        &mut self,
        conn: &Connection,
        finish: &OutboxFinish,
    ) -> Result<(), Halt> {
        let (state, due_at, reason) = match &finish.next {
            OutboxNext::Sent => (OutboxState::Sent, None, None),
            OutboxNext::Retry { due_at, reason } => {
                (OutboxState::Pending, Some(due_at.0), Some(reason))
            }
            OutboxNext::Dead { reason } => (OutboxState::Dead, None, Some(reason)),
        };
        let attempts: Option<u32> = conn
            .prepare_cached("SELECT attempts FROM outbox WHERE id = ?1 AND state = 0")?
            .query_row([finish.id.0], |row| row.get(0))
            .optional()?;
        match attempts {
            None => return Err(Halt::Refused(JournalError::Superseded)),
            Some(stored) if state == OutboxState::Pending && stored >= finish.attempts => {
                return Ok(());
            }
            Some(_) => {}
        }
        // Of what was sent, nothing is kept that may be a secret.
        let keep = match state {
            OutboxState::Sent => ", url = target, headers = '[]', body = x''",
            OutboxState::Pending | OutboxState::Dead => "",
        };
        conn.prepare_cached(&format!(
            "UPDATE outbox SET state = ?2, attempts = ?3, due_at = ?4, started_at = ?5,
               status = ?6, reason = ?7{keep} WHERE id = ?1"
        ))?
        .execute(params![
            finish.id.0,
            outbox_code(state),
            finish.attempts,
            due_at,
            finish.started_at.0,
            finish.status,
            reason
        ])?;
        if state == OutboxState::Pending {
            return Ok(());
        }
        self.totals.outbox_dead += i64::from(state == OutboxState::Dead);
        self.totals.outbox_pending -= 1;
        Ok(())
    }

    /// Makes a dead request pending again.
    pub(super) fn outbox_retry(
        &mut self,
        conn: &Connection,
        request: OutboxId,
        now: UnixMicros,
        news: &mut News,
    ) -> Result<Retried, rusqlite::Error> {
        let state: Option<i64> = conn
            .prepare_cached("SELECT state FROM outbox WHERE id = ?1")?
            .query_row([request.0], |row| row.get(0))
            .optional()?;
        match state.map(outbox_state_of).transpose()? {
            None => return Ok(Retried::Unknown),
            Some(OutboxState::Dead) => {}
            Some(OutboxState::Pending | OutboxState::Sent) => return Ok(Retried::NotDead),
        }
        conn.prepare_cached(
            "UPDATE outbox SET state = 0, attempts = 0, due_at = ?2 WHERE id = ?1",
        )?
        .execute([request.0, now.0])?;
        self.totals.outbox_dead -= 1;
        self.totals.outbox_pending += 1;
        news.queued = true;
        Ok(Retried::Pending)
    }
}
