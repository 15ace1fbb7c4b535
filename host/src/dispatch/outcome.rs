//! How an attempt ended, and storing it.

use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::breaker::Evidence;
use super::job::Job;
use super::now::Now;
use super::record;
use super::retry::{Attempts, End, RetryPolicy};
use super::run::{Runner, Whose};
use super::slot::{Met, Settled};
use crate::journal::{Finish, JournalError, Next};
use crate::sandbox::Report;
use crate::types::{Effects, UnixMicros};

/// The longest pause between two tries to store an outcome.
const MAX_STORE_DELAY: Duration = Duration::from_secs(5);

/// What effects weigh that are large.
const LARGE: usize = 256 << 10;

/// How an attempt ended, ready to be stored.
pub(super) struct Outcome {
    pub(super) finish: Finish,
    /// None if there was no attempt.
    end: Option<Evidence>,
    /// The delivery's attempts, this one included.
    attempts: Attempts,
    /// Why it is excused, if it is.
    excuse: Option<String>,
    /// When the next attempt may start, if there is to be one.
    due: Instant,
}

impl Outcome {
    /// Of an attempt that counts.
    pub(super) fn new(
        job: &Job,
        policy: RetryPolicy,
        end: &End,
        started: Now,
        report: Report,
    ) -> Self {
        let finish = Finish {
            delivery: job.delivery,
            next: Next::Done,
            attempts: 0,
            traps: 0,
            started_at: started.wall,
            duration: report.duration,
            cpu: report.cpu,
            peak_memory: report.peak_memory,
            log: record::kept(report.log),
            effects: report.effects,
        };
        let mut outcome = Self {
            finish,
            end: None,
            attempts: job.attempts,
            excuse: None,
            due: started.mono,
        };
        outcome.decide(job, policy, end, Now::read(), fastrand::f64());
        outcome
    }

    /// Of a delivery that needs no attempt.
    pub(super) fn unattempted(job: &Job, next: Next, now: Now) -> Self {
        Self {
            finish: Finish {
                delivery: job.delivery,
                next,
                attempts: job.attempts.all,
                traps: job.attempts.traps,
                started_at: now.wall,
                duration: Duration::ZERO,
                cpu: Duration::ZERO,
                peak_memory: 0,
                log: Vec::new(),
                effects: Effects::default(),
            },
            end: None,
            attempts: job.attempts,
            excuse: None,
            due: now.mono,
        }
    }

    /// Whether its effects take much memory until they are stored.
    pub(super) fn is_large(&self) -> bool {
        self.finish.effects.weight() > LARGE
    }

    /// Whether it speaks against the plugin.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self.end, Some(Evidence::Fails | Evidence::Traps))
    }

    /// What follows from such an end. That a version on probation traps uses up
    /// nothing of the delivery: it may run on the earlier one yet. The probation
    /// bounds how often that happens.
    fn decide(&mut self, job: &Job, policy: RetryPolicy, end: &End, now: Now, random: f64) {
        self.excuse = match end {
            End::Failed { reason, trap: true } => job.trial.map(|_| reason.clone()),
            _ => None,
        };
        let (attempts, next) = match &self.excuse {
            Some(reason) => {
                let attempts = job.attempts.and_excused();
                let next = policy.again(reason.clone(), None, attempts, now.wall, random);
                (attempts, next)
            }
            None => {
                let attempts = job.attempts.and(end);
                (attempts, policy.decide(end, attempts, now.wall, random))
            }
        };
        if let Next::Retry { due_at, .. } = next {
            self.due = now.due(due_at, policy.max);
        }
        if next != Next::Done {
            let effects = std::mem::take(&mut self.finish.effects);
            self.finish.effects = effects.only_reads();
        }
        self.finish.attempts = attempts.all;
        self.finish.traps = attempts.traps;
        self.attempts = attempts;
        self.finish.next = next;
        self.end = Some(end.evidence());
    }
}

impl Runner {
    /// Stores the outcome, however long the store takes to be able to: the
    /// handler has done its work, and repeating the call is safe.
    pub(super) async fn store(
        &self,
        whose: &Whose,
        job: &mut Job,
        mut outcome: Outcome,
    ) -> Settled {
        let mut delay = Duration::from_millis(50);
        loop {
            // A copy costs little where there are no effects.
            match self.journal.finish(outcome.finish.clone()).await {
                Ok(()) => break,
                // Dead while it was parked, say: it isn't tried again.
                Err(JournalError::Superseded) => return Settled::Ended(Evidence::Nothing),
                Err(JournalError::Closed) => return Settled::Abandoned,
                Err(JournalError::Conflict { at }) => {
                    return self.conflict(whose, job, Met::Changed(at));
                }
                Err(JournalError::Quota(what)) if !outcome.finish.effects.is_empty() => {
                    outcome.finish.effects = Effects::default();
                    let end = End::over_quota(what);
                    outcome.decide(job, whose.plugin.retry, &end, Now::read(), fastrand::f64());
                    continue;
                }
                Err(problem) => {
                    warn!(
                        endpoint = %whose.key.endpoint, plugin = %whose.key.plugin,
                        delivery = %job.delivery,
                        "the outcome is not stored yet, trying again: {problem}"
                    );
                }
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(MAX_STORE_DELAY);
        }
        self.stored(whose, job, outcome)
    }

    fn stored(&self, whose: &Whose, job: &mut Job, outcome: Outcome) -> Settled {
        let finish = &outcome.finish;
        log_outcome(whose, job, finish.cpu, &finish.next);
        match outcome.end {
            Some(_) => self.stats.count(&finish.next),
            None => self.stats.count_unattempted(&finish.next),
        }
        let evidence = outcome.end.unwrap_or(Evidence::Nothing);
        match finish.next {
            Next::Retry { .. } => {
                job.attempts = outcome.attempts;
                job.trap = outcome.excuse;
                Settled::PutOff(outcome.due, evidence)
            }
            Next::Done | Next::Ignored { .. } | Next::Dead { .. } => Settled::Ended(evidence),
        }
    }
}

fn log_outcome(whose: &Whose, job: &Job, cpu: Duration, next: &Next) {
    macro_rules! outcome {
        ($level:ident, $($message:tt)+) => {
            $level!(
                endpoint = %whose.key.endpoint,
                plugin = %whose.key.plugin,
                version = %whose.plugin.version,
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
