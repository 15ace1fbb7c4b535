//! One delivery's attempt, from its start to its stored outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::keep::Keep;
use super::lane::Job;
use super::pools::Pools;
use super::retry::{Attempts, RetryPolicy};
use super::ticket::Ticket;
use super::{Plugin, Stats, Store};
use crate::journal::{Finish, JournalError, Next};
use crate::sandbox::reason::reason;
use crate::sandbox::{Attempt, Failure, Report, Sandbox, Verdict};
use crate::types::payload::{Misfit, TypedKind};
use crate::types::{Effects, Handlers, Payload, PluginKey, UnixMicros};

/// How long to wait before the pools are asked for room again.
const NO_ROOM_DELAY: Duration = Duration::from_millis(20);

/// How often a delivery finds no room before the log says so.
const NO_ROOM_NOTICE: u32 = 50;

/// The longest pause between two tries to store an outcome.
const MAX_STORE_DELAY: Duration = Duration::from_secs(5);

/// What every attempt needs.
pub(super) struct Runner {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) journal: Arc<dyn Store>,
    pub(super) policy: RetryPolicy,
    pub(super) stats: Arc<Stats>,
    pub(super) pools: Pools,
    /// Whether deliveries wait for a slot: then one is given back before the
    /// outcome is stored. Otherwise that would only wake the actor once more.
    pub(super) slots_wanted: AtomicBool,
}

/// What the lane does with the delivery now.
#[derive(Clone, Copy, Debug)]
pub(super) enum Settled {
    /// It has ended; the outcome is stored.
    Ended,
    /// It runs again.
    PutOff(UnixMicros),
    /// The journal is closed: nothing more is to be done here.
    Abandoned,
}

impl Runner {
    /// Runs one attempt. Where others wait for its slot, it is free as soon as the
    /// attempt no longer holds an instance: storing the outcome needs none.
    pub(super) async fn run(&self, key: &PluginKey, plugin: &Plugin, mut ticket: Ticket) {
        let finish =
            match without_attempt(plugin.program.handlers(), &ticket.job.event.event.payload) {
                Some(next) => Ok(self.close(key, plugin, &ticket.job, next)),
                None => self.attempt(key, plugin, &mut ticket.job).await,
            };
        if self.slots_wanted.load(Ordering::Relaxed) {
            ticket.free_slot();
        }
        let settled = match finish {
            Ok(finish) => self.store(key, &mut ticket.job, finish).await,
            Err(due_at) => Settled::PutOff(due_at),
        };
        ticket.settle(settled);
    }

    /// Makes an attempt: its outcome, or when to ask again for room.
    async fn attempt(
        &self,
        key: &PluginKey,
        plugin: &Plugin,
        job: &mut Job,
    ) -> Result<Finish, UnixMicros> {
        let started_at = UnixMicros::now();
        let attempt = Attempt {
            event: Arc::clone(&job.event.event),
            delivery: job.delivery,
            plugin: key.plugin.clone(),
            number: job.attempts.all.saturating_add(1),
            manual: false,
            limits: plugin.limits,
            config: Arc::clone(&plugin.config),
            kv: Arc::new(Keep {
                journal: self.journal.clone(),
                plugin: key.clone(),
            }),
            grants: Arc::clone(&plugin.grants),
        };
        let entered = self.pools.enter();
        let mut report = self.sandbox.run(&plugin.program, attempt).await;
        let alone = self.pools.leave(&entered);
        if report.verdict == Verdict::NoRoom {
            if !alone {
                notice_no_room(key, job);
                return Err(started_at.after(NO_ROOM_DELAY));
            }
            report.verdict = never_room();
        }
        job.no_room = 0;

        let attempts = job.attempts.and(&report.verdict);
        let now = UnixMicros::now();
        let random = fastrand::f64();
        let next = self.policy.decide(&report.verdict, attempts, now, random);
        log_outcome(key, plugin, job, report.cpu, &next);
        self.stats.count(&next);
        Ok(finish(job, next, attempts, started_at, Some(&report)))
    }

    /// The outcome of a delivery that needs no attempt.
    fn close(&self, key: &PluginKey, plugin: &Plugin, job: &Job, next: Next) -> Finish {
        log_outcome(key, plugin, job, Duration::ZERO, &next);
        self.stats.count_unattempted(&next);
        finish(job, next, job.attempts, UnixMicros::now(), None)
    }

    /// Stores the outcome, however long the store takes to be able to: the
    /// handler has done its work, and repeating the call is safe.
    async fn store(&self, key: &PluginKey, job: &mut Job, finish: Finish) -> Settled {
        let mut delay = Duration::from_millis(50);
        loop {
            // A copy costs an allocation only where there is a reason.
            match self.journal.finish(finish.clone()).await {
                Ok(()) => break,
                // Dead while it was parked, say: it isn't tried again.
                Err(JournalError::Superseded) => return Settled::Ended,
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
                job.attempts = Attempts {
                    all: finish.attempts,
                    traps: finish.traps,
                };
                Settled::PutOff(due_at)
            }
            Next::Done | Next::Ignored { .. } | Next::Dead { .. } => Settled::Ended,
        }
    }
}

fn finish(
    job: &Job,
    next: Next,
    attempts: Attempts,
    started_at: UnixMicros,
    report: Option<&Report>,
) -> Finish {
    Finish {
        delivery: job.delivery,
        next,
        attempts: attempts.all,
        traps: attempts.traps,
        started_at,
        duration: report.map_or(Duration::ZERO, |report| report.duration),
        cpu: report.map_or(Duration::ZERO, |report| report.cpu),
        peak_memory: report.map_or(0, |report| report.peak_memory),
        log: Vec::new(),
        effects: Effects::default(),
    }
}

/// Says once for a delivery that it waits for the pools and not for its turn.
fn notice_no_room(key: &PluginKey, job: &mut Job) {
    job.no_room = job.no_room.saturating_add(1);
    if job.no_room == NO_ROOM_NOTICE {
        warn!(
            endpoint = %key.endpoint, plugin = %key.plugin, delivery = %job.delivery,
            "found no room in the pools {NO_ROOM_NOTICE} times and goes on trying: the plugins that \
             run need more instances than `limits.total` provides for; raise it"
        );
    }
}

/// The failure of an attempt that had all pools to itself and no room in them.
fn never_room() -> Verdict {
    Verdict::Failed(Failure::Other(
        "the component needs more instances, memories or tables than the pools have in all: \
         raise `limits.total`"
            .into(),
    ))
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
    reason(&format!(
        "the event doesn't fit its record: {}: {}",
        misfit.path, misfit.message
    ))
}

fn log_outcome(key: &PluginKey, plugin: &Plugin, job: &Job, cpu: Duration, next: &Next) {
    macro_rules! outcome {
        ($level:ident, $($message:tt)+) => {
            $level!(
                endpoint = %key.endpoint,
                plugin = %key.plugin,
                version = %plugin.version,
                event = %job.event.event.id,
                delivery = %job.delivery,
                attempt = job.attempts.all.saturating_add(1),
                cpu_us = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX),
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
