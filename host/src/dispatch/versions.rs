//! The versions of one plugin: the one that runs, and, while that is on
//! [`probation`](super::probation), the one that it goes back to. Pure.
//!
//! A rollback brings back the earlier *code*. The manifest stays the new one: what
//! it has taken away (grants, limits, settings) stays taken away.

use std::ops::Range;
use std::sync::Arc;

use super::Plugin;
use super::breaker::Evidence;
use super::probation::{Probation, Record, RollbackPolicy, Standing};
use super::slot::Terms;

/// What tells the contents of two files apart.
pub type Content = [u8; 32];

/// Names a version that is on probation; never used again for the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialId(u64);

/// A version of a plugin.
pub(super) trait Version: Clone {
    /// This one's code under that one's manifest.
    fn under(&self, manifest_of: &Self) -> Self;
}

impl Version for Arc<Plugin> {
    fn under(&self, manifest_of: &Self) -> Self {
        Arc::new(Plugin {
            version: self.version.clone(),
            content: self.content,
            program: Arc::clone(&self.program),
            ..Plugin::clone(manifest_of)
        })
    }
}

/// The versions of a plugin.
#[derive(Debug)]
pub(super) struct Versions<P> {
    current: Option<(P, Terms)>,
    /// Counts the changes: attempts of earlier versions say nothing about this
    /// one.
    generation: u64,
    /// Since when the current content runs.
    since: u64,
    /// Its attempts.
    record: Record,
    trial: Option<Trial<P>>,
    trials: u64,
}

/// The current version is on probation.
#[derive(Debug)]
struct Trial<P> {
    id: TrialId,
    probation: Probation,
    earlier: Earlier<P>,
}

/// What to go back to.
#[derive(Debug)]
struct Earlier<P> {
    /// Under the current manifest.
    version: P,
    content: Content,
    record: Record,
    /// When it ran.
    generations: Range<u64>,
}

/// What a rollback was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RolledBack<P> {
    pub(super) from: P,
    pub(super) to: P,
    /// How many attempts of the version had ended by then.
    pub(super) ended: u32,
    /// How many of these trapped or hit a limit.
    pub(super) traps: u32,
}

impl<P: Version> Versions<P> {
    pub(super) fn none() -> Self {
        Self {
            current: None,
            generation: 0,
            since: 0,
            record: Record::default(),
            trial: None,
            trials: 0,
        }
    }

    pub(super) fn current(&self) -> Option<&(P, Terms)> {
        self.current.as_ref()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Set if the current version is on probation.
    pub(super) fn trial(&self) -> Option<TrialId> {
        self.trial.as_ref().map(|trial| trial.id)
    }

    /// From now on this one runs.
    pub(super) fn swap(&mut self, plugin: P, terms: Terms) {
        let trial = self.trial.take();
        let until = self.generation + 1;
        let same = |(_, old): &(P, Terms)| old.content == terms.content;
        let manifest_only = self.current.as_ref().is_some_and(same);
        let earlier = if manifest_only {
            // Under another manifest it has another chance.
            trial.map(|trial| trial.earlier)
        } else {
            self.replaced(trial, &terms, until)
        };
        self.generation = until;
        if !manifest_only {
            self.since = until;
            self.record = Record::default();
        }
        if let Some(earlier) = earlier {
            self.watch(earlier, &plugin, terms.rollback);
        }
        self.current = Some((plugin, terms));
    }

    /// The plugin is gone, and what was known of it.
    pub(super) fn remove(&mut self) {
        self.current = None;
        self.trial = None;
        self.record = Record::default();
    }

    /// An attempt has ended. If that settles it that the current version goes, the
    /// earlier one is current when this returns.
    pub(super) fn ended(
        &mut self,
        generation: u64,
        trial: Option<TrialId>,
        evidence: Evidence,
    ) -> Option<RolledBack<P>> {
        let trap = match evidence {
            Evidence::Nothing => return None,
            Evidence::Traps => true,
            Evidence::Works | Evidence::Fails => false,
        };
        if generation >= self.since {
            self.record.ended(trap);
        }
        let current = self.trial.as_mut()?;
        if trap && current.earlier.generations.contains(&generation) {
            // It began before the swap: the earlier version does the same.
            self.trial = None;
            return None;
        }
        if trial != Some(current.id) {
            return None;
        }
        match current.probation.ended(trap) {
            Standing::Open => None,
            Standing::Passed => {
                self.trial = None;
                None
            }
            Standing::Failed => self.roll_back(),
        }
    }

    /// What the version that replaces the current one would go back to: that, or,
    /// if it hasn't shown yet that it works, what itself would go back to.
    fn replaced(&mut self, trial: Option<Trial<P>>, new: &Terms, until: u64) -> Option<Earlier<P>> {
        let (version, terms) = self.current.take()?;
        let record = self.record;
        if let Some(trial) = trial
            && !record.has_worked()
        {
            let known = trial.earlier.content == new.content;
            return Some(trial.earlier).filter(|_| !known);
        }
        record.is_clean(new.rollback.watch).then_some(Earlier {
            version,
            content: terms.content,
            record,
            generations: self.since..until,
        })
    }

    fn watch(&mut self, earlier: Earlier<P>, plugin: &P, policy: RollbackPolicy) {
        let probation = Probation::new(policy);
        if probation.standing() != Standing::Open {
            return;
        }
        self.trials += 1;
        self.trial = Some(Trial {
            id: TrialId(self.trials),
            probation,
            earlier: Earlier {
                version: earlier.version.under(plugin),
                ..earlier
            },
        });
    }

    fn roll_back(&mut self) -> Option<RolledBack<P>> {
        let Trial {
            probation, earlier, ..
        } = self.trial.take()?;
        let (from, terms) = self.current.take()?;
        let terms = Terms {
            content: earlier.content,
            ..terms
        };
        self.generation += 1;
        self.since = self.generation;
        self.record = earlier.record;
        self.current = Some((earlier.version.clone(), terms));
        let (ended, traps) = probation.counts();
        Some(RolledBack {
            from,
            to: earlier.version,
            ended,
            traps,
        })
    }
}

#[cfg(test)]
#[path = "versions_tests.rs"]
mod tests;
