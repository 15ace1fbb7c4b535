//! Requests to send: queued with the outcome of the attempt that wanted them.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::target::target;
use super::super::totals::{Totals, outbox_code, outbox_state_of};
use super::owner::Owner;
use super::{Halt, News, State, count};
use crate::journal::{JournalError, OutboxFinish, OutboxNext, OutboxState, Retried};
use crate::types::effects::OutgoingRequest;
use crate::types::{OutboxId, UnixMicros};

/// What a request takes besides its texts and its body.
const ROW_BYTES: i64 = 512;

/// What the rows of `outbox` take that a plugin has to answer for: SQL for the sum.
pub(in super::super) const BYTES: &str = "ifnull(sum(512 + length(CAST(url AS BLOB)) + length(CAST(headers AS BLOB)) + length(body)), 0)";

/// Requests that fit.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// With their headers, as they are stored.
    requests: Vec<(&'a OutgoingRequest, String)>,
    bytes: i64,
}

/// Adds up what the plugin will have that isn't sent.
pub(super) fn plan<'a>(
    conn: &Connection,
    owner: Owner,
    requests: &'a [OutgoingRequest],
    quota: u64,
) -> Result<Plan<'a>, Halt> {
    let mut plan = Plan {
        requests: Vec::with_capacity(requests.len()),
        bytes: 0,
    };
    for request in requests {
        let headers = serde_json::to_string(&request.headers)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        plan.bytes += ROW_BYTES + count(request.url.len() + headers.len() + request.body.len());
        plan.requests.push((request, headers));
    }
    let had: i64 = conn
        .prepare_cached("SELECT outbox_bytes FROM plugin WHERE id = ?1")?
        .query_row([owner.plugin], |row| row.get(0))?;
    let all = had + plan.bytes;
    if u64::try_from(all).unwrap_or(0) > quota {
        return Err(Halt::Refused(JournalError::Quota(format!(
            "its requests in the outbox that aren't sent would have {all} bytes, more than the \
             quota of {quota}"
        ))));
    }
    Ok(plan)
}

impl Plan<'_> {
    /// Queues them, due at once.
    pub(super) fn queue(
        self,
        conn: &Connection,
        totals: &mut Totals,
        owner: Owner,
        now: UnixMicros,
    ) -> Result<(), rusqlite::Error> {
        let mut insert = conn.prepare_cached(
            "INSERT INTO outbox (id, event, delivery, plugin, idx, state, attempts, queued_at,
               due_at, method, target, url, headers, body)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        for (index, (request, headers)) in self.requests.iter().enumerate() {
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
        conn.prepare_cached("UPDATE plugin SET outbox_bytes = outbox_bytes + ?2 WHERE id = ?1")?
            .execute([owner.plugin, self.bytes])?;
        Ok(())
    }
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
        if state == OutboxState::Sent {
            release(conn, "id = ?1", finish.id.0)?;
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

/// Requests that match are to be sent or removed: their plugins have that much less.
pub(in super::super) fn release(
    conn: &Connection,
    which: &'static str,
    parameter: i64,
) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(&format!(
        "UPDATE plugin SET outbox_bytes = outbox_bytes - gone.bytes
         FROM (SELECT plugin, {BYTES} AS bytes FROM outbox WHERE {which} AND state <> 1
               GROUP BY plugin) AS gone
         WHERE plugin.id = gone.plugin"
    ))?
    .execute([parameter])?;
    Ok(())
}
