//! One delivery's attempt, from its start to its stored outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::warn;

use super::breaker::Evidence;
use super::contention::SharedContention;
use super::handler::Handler;
use super::job::Job;
use super::keep::Keep;
use super::now::Now;
use super::outcome::Outcome;
use super::pools::Pools;
use super::retry::End;
use super::slot::{Met, Settled};
use super::smoke::SmokeTurns;
use super::ticket::Ticket;
use super::unhandled::without_attempt;
use super::{Plugin, Stats, Store};
use crate::sandbox::{Attempt, Failure, Verdict};
use crate::types::PluginKey;

/// How long to wait before the pools are asked for room again.
const NO_ROOM_DELAY: Duration = Duration::from_millis(20);

/// How often a delivery finds no room before the log says so.
const NO_ROOM_NOTICE: u32 = 50;

/// What every attempt needs.
pub(super) struct Runner {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) journal: Arc<dyn Store>,
    pub(super) stats: Arc<Stats>,
    pub(super) pools: Pools,
    /// Whether deliveries wait for a slot: then one is given back before the
    /// outcome is stored. Otherwise that would only wake the actor once more.
    pub(super) slots_wanted: AtomicBool,
    /// Held by the smoke attempt that runs.
    pub(super) smokes: SmokeTurns,
}

/// Whose attempt it is.
pub(super) struct Whose {
    pub(super) key: Arc<PluginKey>,
    pub(super) plugin: Arc<Plugin>,
    pub(super) contention: SharedContention,
}

impl Runner {
    /// Runs one attempt. Where others wait for its slot, it is free as soon as the
    /// attempt no longer holds an instance: storing the outcome needs none. An
    /// outcome with large effects keeps it, since these take the instance's place
    /// in memory: attempts that are faster than the store would fill it. So does a
    /// failure: it must be counted before many more are made.
    pub(super) async fn run(&self, whose: &Whose, mut ticket: Ticket) {
        let handlers = whose.plugin.program.handlers();
        let outcome = match without_attempt(handlers, &ticket.job.event.event.payload) {
            Some(next) => Ok(Outcome::unattempted(&ticket.job, next, Now::read())),
            None => self.attempt(whose, &mut ticket.job).await,
        };
        let keeps = matches!(&outcome, Ok(outcome) if outcome.is_large() || outcome.is_failure());
        if !keeps && self.slots_wanted.load(Ordering::Relaxed) {
            ticket.free_slot();
        }
        let settled = match outcome {
            Ok(outcome) => self.store(whose, &mut ticket.job, outcome).await,
            Err(again) => again,
        };
        ticket.settle(settled);
    }

    /// Makes an attempt: its outcome, or when to make it again if it doesn't
    /// count.
    async fn attempt(&self, whose: &Whose, job: &mut Job) -> Result<Outcome, Settled> {
        let Whose {
            key,
            plugin,
            contention,
        } = whose;
        let started = Now::read();
        let keep = Arc::new(Keep::new(
            self.journal.clone(),
            (**key).clone(),
            contention.clone(),
            job.contest.as_ref().map(|contest| contest.age),
        ));
        let attempt = Attempt {
            event: Arc::clone(&job.event.event),
            delivery: job.delivery,
            plugin: key.plugin.clone(),
            number: job.attempts.all.saturating_add(1),
            manual: job.manual,
            limits: plugin.limits,
            config: Arc::clone(&plugin.config),
            secrets: Arc::clone(&plugin.secrets),
            kv: keep.clone(),
            grants: Arc::clone(&plugin.grants),
        };
        let entered = self.pools.enter();
        let mut report = self.handler.handle(&plugin.program, attempt).await;
        let alone = entered.leave();
        if report.verdict == Verdict::NoRoom {
            if !alone {
                notice_no_room(key, job);
                let due = Instant::now() + NO_ROOM_DELAY;
                return Err(Settled::PutOff(due, Evidence::Nothing));
            }
            report.verdict = never_room();
        }
        job.no_room = 0;

        // Whatever the handler made of that: it has not seen what it asked for.
        if let Some(claim) = keep.refused() {
            return Err(self.conflict(whose, job, Met::Claimed(claim)));
        }
        match End::of(report.verdict.clone()) {
            Some(end) => Ok(Outcome::new(job, plugin.retry, &end, started, report)),
            None => match report.verdict {
                Verdict::Conflict { at } => Err(self.conflict(whose, job, Met::Changed(at))),
                _ => Err(Settled::PutOff(Instant::now(), Evidence::Nothing)),
            },
        }
    }

    /// The attempt is to be made again, and doesn't count.
    pub(super) fn conflict(&self, whose: &Whose, job: &Job, met: Met) -> Settled {
        self.stats.count_conflict();
        tracing::debug!(
            endpoint = %whose.key.endpoint, plugin = %whose.key.plugin, delivery = %job.delivery,
            ?met, "the attempt met a conflict and is made again"
        );
        Settled::Conflict(met, fastrand::f64())
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
