//! One delivery's attempt, from its start to its stored outcome.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::lane::Job;
use super::retry::RetryPolicy;
use super::{Plugin, Stats};
use crate::journal::{Effects, Finish, Journal, JournalError, Next};
use crate::sandbox::{Attempt, Report, Sandbox, Verdict};
use crate::types::payload::{Misfit, TypedKind};
use crate::types::{DeliveryId, Handlers, Payload, PluginKey, UnixMicros};

/// How long to wait before the pools are asked for room again.
const NO_ROOM_DELAY: Duration = Duration::from_millis(20);

/// The longest pause between two tries to store an outcome.
const MAX_STORE_DELAY: Duration = Duration::from_secs(5);

/// What every attempt needs.
pub(super) struct Runner {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) policy: RetryPolicy,
    pub(super) stats: Arc<Stats>,
}

/// What the lane does with the delivery now.
pub(super) enum Settled {
    /// It has ended; the outcome is stored.
    Ended,
    /// It runs again.
    PutOff(UnixMicros),
    /// The journal is closed: nothing more is to be done here.
    Abandoned,
}

impl Runner {
    /// Runs one attempt. `slot_free` is called as soon as the attempt no longer
    /// holds an instance: storing the outcome needs none.
    pub(super) async fn run(
        &self,
        key: &PluginKey,
        plugin: &Plugin,
        job: &mut Job,
        slot_free: impl FnOnce(),
    ) -> Settled {
        if let Some(next) = without_attempt(plugin.program.handlers(), &job.event.event.payload) {
            slot_free();
            return self
                .store(key, job, closed_without_attempt(job.delivery, next))
                .await;
        }
        let started_at = UnixMicros::now();
        let report = self.attempt(key, plugin, job).await;
        slot_free();
        if report.verdict == Verdict::NoRoom {
            return Settled::PutOff(started_at.after(NO_ROOM_DELAY));
        }

        let number = job.failed_attempts.saturating_add(1);
        let next = self
            .policy
            .decide(&report.verdict, number, UnixMicros::now(), fastrand::f64());
        log_outcome(key, plugin, job, &report, &next);
        self.stats.count(&next);
        let finish = Finish {
            delivery: job.delivery,
            next,
            started_at,
            duration: report.duration,
            cpu: report.cpu,
            peak_memory: report.peak_memory,
            effects: Effects::default(),
        };
        self.store(key, job, finish).await
    }

    async fn attempt(&self, key: &PluginKey, plugin: &Plugin, job: &Job) -> Report {
        let attempt = Attempt {
            event: Arc::clone(&job.event.event),
            delivery: job.delivery,
            plugin: key.plugin.clone(),
            number: job.failed_attempts.saturating_add(1),
            manual: false,
            limits: plugin.limits,
            config: Arc::clone(&plugin.config),
        };
        self.sandbox.run(&plugin.program, attempt).await
    }

    /// Stores the outcome, however long the store takes to be able to: the
    /// handler has done its work, and repeating the call is safe.
    async fn store(&self, key: &PluginKey, job: &mut Job, finish: Finish) -> Settled {
        let mut delay = Duration::from_millis(50);
        loop {
            match self.journal.finish(finish.clone()).await {
                Ok(()) | Err(JournalError::Superseded) => break,
                Err(JournalError::Closed) => return Settled::Abandoned,
                Err(problem) => {
                    warn!(
                        endpoint = %key.endpoint, plugin = %key.plugin, delivery = %job.delivery,
                        "the outcome is not stored yet, trying again: {problem}"
                    );
                }
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(MAX_STORE_DELAY);
        }
        match finish.next {
            Next::Retry { due_at, .. } => {
                job.failed_attempts = job.failed_attempts.saturating_add(1);
                Settled::PutOff(due_at)
            }
            Next::Done | Next::Ignored { .. } | Next::Dead { .. } => Settled::Ended,
        }
    }
}

/// How a delivery ends that this version of the plugin has no handler for;
/// `None` if it has one.
fn without_attempt(handlers: Handlers, payload: &Payload) -> Option<Next> {
    if handlers.for_payload(payload).is_some() {
        return None;
    }
    Some(match payload {
        Payload::Misfit(misfit) if handles(handlers, misfit.kind) => Next::Dead {
            reason: misfit_reason(misfit),
        },
        _ => Next::Ignored {
            reason: "the plugin's present version exports no handler for this event".into(),
        },
    })
}

fn handles(handlers: Handlers, kind: TypedKind) -> bool {
    match kind {
        TypedKind::RoomJoin => handlers.room_join,
        TypedKind::ChatPush => handlers.chat_push,
    }
}

fn misfit_reason(misfit: &Misfit) -> String {
    format!(
        "the event doesn't fit its record: {}: {}",
        misfit.path, misfit.message
    )
}

fn closed_without_attempt(delivery: DeliveryId, next: Next) -> Finish {
    Finish {
        delivery,
        next,
        started_at: UnixMicros::now(),
        duration: Duration::ZERO,
        cpu: Duration::ZERO,
        peak_memory: 0,
        effects: Effects::default(),
    }
}

fn log_outcome(key: &PluginKey, plugin: &Plugin, job: &Job, report: &Report, next: &Next) {
    macro_rules! outcome {
        ($level:ident, $($message:tt)+) => {
            $level!(
                endpoint = %key.endpoint,
                plugin = %key.plugin,
                version = %plugin.version,
                event = %job.event.event.id,
                delivery = %job.delivery,
                attempt = job.failed_attempts.saturating_add(1),
                cpu_us = u64::try_from(report.cpu.as_micros()).unwrap_or(u64::MAX),
                $($message)+
            )
        };
    }
    match next {
        Next::Done => outcome!(debug, "handled"),
        Next::Ignored { reason } => outcome!(info, "ignored: {reason}"),
        Next::Retry { reason, due_at } => {
            let delay = due_at.until(UnixMicros::now());
            outcome!(
                warn,
                "attempt failed, next in {} ms: {reason}",
                delay.as_millis()
            );
        }
        Next::Dead { reason } => outcome!(error, "delivery is dead: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misfit() -> Payload {
        Payload::Misfit(Misfit {
            kind: TypedKind::ChatPush,
            path: "data.message".into(),
            message: "expected a string".into(),
        })
    }

    #[test]
    fn a_misfit_is_dead_with_its_path_where_only_the_typed_handler_is_there() {
        let handlers = Handlers {
            chat_push: true,
            ..Handlers::default()
        };
        let Some(Next::Dead { reason }) = without_attempt(handlers, &misfit()) else {
            panic!("it can't be handled");
        };
        assert!(
            reason.contains("data.message: expected a string"),
            "{reason}"
        );
    }

    #[test]
    fn a_misfit_goes_to_on_event_where_that_is_exported() {
        let handlers = Handlers {
            chat_push: true,
            event: true,
            ..Handlers::default()
        };
        assert_eq!(without_attempt(handlers, &misfit()), None);
    }

    #[test]
    fn an_event_for_a_handler_that_is_gone_is_ignored() {
        let handlers = Handlers {
            room_join: true,
            ..Handlers::default()
        };
        assert!(matches!(
            without_attempt(handlers, &Payload::Other),
            Some(Next::Ignored { .. })
        ));
    }
}
