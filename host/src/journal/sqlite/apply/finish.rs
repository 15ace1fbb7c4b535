//! Storing how an attempt ended, with its effects.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::super::totals::state_code;
use super::{Halt, News, State, effects, shelve};
use crate::journal::{DeliveryState, Finish, JournalError, Next};

/// An outcome on its way to the writer.
#[derive(Debug)]
pub(in super::super) struct Outcome {
    finish: Finish,
    /// What the attempt logged, as it is stored.
    log: Option<String>,
}

impl Outcome {
    /// Prepares what the writer needn't do itself.
    pub(in super::super) fn new(mut finish: Finish) -> Result<Self, serde_json::Error> {
        let log = std::mem::take(&mut finish.log);
        let log = match log.is_empty() {
            true => None,
            false => Some(serde_json::to_string(&log)?),
        };
        Ok(Self { finish, log })
    }

    pub(super) fn weight(&self) -> usize {
        let reason = self.finish.next.reason().map_or(0, str::len);
        let log = self.log.as_ref().map_or(0, String::len);
        reason + log + self.finish.effects.weight() + 256
    }
}

impl State {
    /// Stores an outcome. A retry leaves the delivery pending: storing the same
    /// attempt's outcome again changes nothing then.
    ///
    /// Everything that may refuse it comes before the first write.
    pub(super) fn finish(
        &mut self,
        conn: &Connection,
        outcome: &Outcome,
        news: &mut News,
    ) -> Result<(), Halt> {
        let finish = &outcome.finish;
        let (state, due_at) = match &finish.next {
            Next::Done => (DeliveryState::Done, None),
            Next::Ignored { .. } => (DeliveryState::Ignored, None),
            Next::Retry { due_at, .. } => (DeliveryState::Pending, Some(due_at.0)),
            Next::Dead { .. } => (DeliveryState::Dead, None),
        };
        if state == DeliveryState::Pending && has_attempt(conn, finish)? {
            return Ok(());
        }
        let plan = match finish.effects.is_empty() {
            true => None,
            false => Some(effects::check(conn, finish, &self.options)?),
        };
        // A first attempt that went well has none before it. What ends without
        // an attempt comes with the number of the one before.
        let over = matches!(finish.next, Next::Dead { .. } | Next::Ignored { .. });
        if finish.attempts > 1 || (finish.attempts == 1 && over) {
            shelve(conn, finish.delivery.0, DeliveryState::Pending)?;
        }
        let changed = conn
            .prepare_cached(
                "UPDATE delivery SET state = ?2, due_at = ?4, reason = ?9, traps = ?10,
                   started_at = iif(attempts < ?3, ?5, NULL),
                   duration_us = iif(attempts < ?3, ?6, NULL),
                   cpu_us = iif(attempts < ?3, ?7, NULL),
                   peak_memory = iif(attempts < ?3, ?8, NULL),
                   log = iif(attempts < ?3, ?11, NULL),
                   attempts = ?3
                 WHERE id = ?1 AND state = 0",
            )?
            .execute(params![
                finish.delivery.0,
                state_code(state),
                finish.attempts,
                due_at,
                finish.started_at.0,
                micros(finish.duration),
                micros(finish.cpu),
                i64::try_from(finish.peak_memory).unwrap_or(i64::MAX),
                finish.next.reason(),
                finish.traps,
                outcome.log
            ])?;
        if changed == 0 {
            return Err(Halt::Refused(JournalError::Superseded));
        }
        self.totals.shift(DeliveryState::Pending, state, 1);
        if let Some(plan) = plan {
            plan.keep(conn, &mut self.totals, news)?;
        }
        Ok(())
    }
}

/// Whether the pending delivery has this attempt, or a later one, already.
fn has_attempt(conn: &Connection, finish: &Finish) -> Result<bool, rusqlite::Error> {
    conn.prepare_cached("SELECT 1 FROM delivery WHERE id = ?1 AND state = 0 AND attempts >= ?2")?
        .exists(params![finish.delivery.0, finish.attempts])
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::effects::LogEntry;
    use crate::types::{DeliveryId, Effects, UnixMicros};

    #[test]
    fn an_outcome_weighs_as_much_as_its_reason_and_its_log() {
        let finish = Finish {
            delivery: DeliveryId(1),
            next: Next::Dead {
                reason: "x".repeat(2000),
            },
            attempts: 1,
            traps: 0,
            started_at: UnixMicros(0),
            duration: Duration::ZERO,
            cpu: Duration::ZERO,
            peak_memory: 0,
            log: vec![LogEntry {
                level: "info".into(),
                context: "stdout".into(),
                message: "y".repeat(3000),
            }],
            effects: Effects::default(),
        };
        assert!(Outcome::new(finish).expect("it is text").weight() > 5000);
    }
}
