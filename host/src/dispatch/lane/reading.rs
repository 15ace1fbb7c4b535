//! How a lane reads the store: onward, as long as it is behind, and again for
//! sessions that have run dry. Where both are to be done, they take turns.
//!
//! What is read again is little. Each such page begins with the delivery that a
//! dry session needs next, and is used for all sessions that have skipped nothing
//! before it. So a session's re-reading passes over the store once, and one page
//! more for each time that it runs dry: a session alone has room for all of a
//! page, so its deliveries are read twice at most, however many they are.

use std::time::Duration;

use super::sessions::Again;
use super::{Lane, Load};
use crate::dispatch::job::Job;
use crate::dispatch::now::Now;
use crate::dispatch::retry::Attempts;
use crate::journal::{Pending, PendingPage};
use crate::types::DeliveryId;

/// What page is being read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// The next one.
    Onward,
    /// One that was read already.
    Again {
        after: DeliveryId,
        /// What was the highest delivery then. What has come in since may be
        /// missing in the page.
        until: DeliveryId,
    },
}

impl Lane {
    /// After which delivery to read the next page, if one is to be read now. The
    /// answer has to be given to [`Lane::take_page`] or [`Lane::page_failed`].
    pub fn next_page(&mut self) -> Option<DeliveryId> {
        if self.reading.is_some() {
            return None;
        }
        let page = self.bounds.page_load();
        let onward = self.behind && !self.bounds.exceeded(self.used(), page);
        // Dry sessions need not leave room for dry sessions.
        let room = !self.bounds.exceeded(self.held_load(), page);
        let first = self.sessions.first_skipped().filter(|_| room);
        let turn = first.filter(|_| !onward || !self.read_again);
        self.read_again = turn.is_some();
        if let Some(first) = turn {
            let after = DeliveryId(first.0 - 1);
            self.reading = Some(Reading::Again {
                after,
                until: self.highest,
            });
            self.ended.clear();
            return Some(after);
        }
        if !onward {
            return None;
        }
        self.reading = Some(Reading::Onward);
        self.missed = false;
        Some(self.highest)
    }

    /// How many deliveries to read at once.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.bounds.page
    }

    /// Takes a page that was read with [`Lane::page_size`] as its limit. Nothing
    /// in it waits for more than `longest`.
    pub fn take_page(&mut self, page: PendingPage, now: Now, longest: Duration) {
        let reading = self.reading.take();
        if std::mem::take(&mut self.stale) {
            return;
        }
        match reading {
            Some(Reading::Onward) => self.take_onward(page, now, longest),
            Some(Reading::Again { after, until }) => {
                self.take_again(page, after, until, now, longest);
            }
            None => {}
        }
    }

    fn take_onward(&mut self, page: PendingPage, now: Now, longest: Duration) {
        self.behind = page.more || self.missed;
        for pending in page.deliveries {
            let delivery = pending.delivery;
            if delivery <= self.highest {
                continue;
            }
            if self.carried.remove(&delivery) {
                self.highest = delivery;
                continue;
            }
            let due = pending.due_at.map(|due_at| now.due(due_at, longest));
            self.admit(job_of(pending), due);
        }
        if !self.behind {
            self.carried.clear();
        }
    }

    fn take_again(
        &mut self,
        page: PendingPage,
        after: DeliveryId,
        until: DeliveryId,
        now: Now,
        longest: Duration,
    ) {
        let last = page.deliveries.last().map(|last| last.delivery);
        let covered = last.filter(|_| page.more).map_or(until, |it| it.min(until));
        let mut again = Again::new(after);
        for pending in page.deliveries {
            let delivery = pending.delivery;
            if delivery > until {
                break;
            }
            // What came in without order may have an id among those.
            if self.held.contains(&delivery) || self.ended.contains(&delivery) {
                continue;
            }
            let due = pending.due_at.map(|due_at| now.due(due_at, longest));
            self.admit_again(job_of(pending), due, &mut again);
        }
        self.sessions.read_again(&again, covered);
    }

    /// The page could not be read; it will be asked for again.
    pub fn page_failed(&mut self) {
        self.reading = None;
        self.stale = false;
    }

    /// A delivery has ended: a page that is being read may still have it.
    pub(super) fn ended_meanwhile(&mut self, delivery: DeliveryId) {
        if let Some(Reading::Again { .. }) = self.reading
            && !self.stale
        {
            self.ended.insert(delivery);
            // That many can't be remembered: the page has to be read anew.
            self.stale = self.ended.len() > self.bounds.deliveries;
        }
    }

    pub(super) fn read_from_start(&mut self) {
        self.carried.clone_from(&self.held);
        self.sessions.forget_skipped();
        self.highest = DeliveryId(0);
        self.stale = self.reading.is_some();
        self.fall_behind();
    }

    /// What is in memory, and room for the next delivery of each dry session.
    pub(super) fn used(&self) -> Load {
        let held = self.held_load();
        Load {
            deliveries: held.deliveries + self.sessions.dry(),
            ..held
        }
    }

    fn held_load(&self) -> Load {
        Load {
            deliveries: self.held.len(),
            bytes: self.bytes,
        }
    }
}

fn job_of(pending: Pending) -> Job {
    let attempts = Attempts {
        all: pending.failed_attempts,
        traps: pending.traps,
        excused: 0,
    };
    Job::new(pending.delivery, pending.event, attempts)
}
