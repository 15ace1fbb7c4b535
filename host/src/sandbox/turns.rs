//! Long attempts take turns, so that they never use all cores.
//!
//! Handlers that spin would otherwise keep every core busy: short attempts, and
//! whatever answers webhooks, would wait for them at each step. A long attempt needs
//! one of the [`Turns`] for each poll, which lasts for a tick of the epoch, or for one
//! instruction over much memory; and to give its memory back. There is one turn less
//! than cores, and who asked first has the next.
//!
//! Long is what has used more than [`SHORT`] of CPU time. An attempt of a plugin whose
//! latest attempts were long counts as one from its start, as its first poll alone may
//! take long; so do the first ones of a plugin, until one has ended.
//!
//! The wall clock goes on while an attempt waits for its turn; its CPU time doesn't.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

use super::cpu::{CpuClock, Metered};

/// CPU time that an attempt may use without waiting for a turn: ten times what a usual
/// handler in Rust needs.
const SHORT: Duration = Duration::from_millis(1);

/// With each attempt that ends, what an earlier one used counts less, by one part of so
/// many. After 100 ms the program is short again when 35 attempts were.
const FADES: u64 = 8;

/// The turns that long attempts take.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    /// One less than cores, and at least one.
    pub(super) fn of_this_machine() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::new(cores.saturating_sub(1).max(1))
    }

    fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }
}

/// The CPU time that a program's latest attempts used: the most, which fades.
#[derive(Debug)]
pub(super) struct LatestCpu(AtomicU64);

impl Default for LatestCpu {
    /// That of a program of which nothing is known: just long.
    fn default() -> Self {
        Self(AtomicU64::new(nanos(SHORT) + 1))
    }
}

impl LatestCpu {
    fn is_long(&self) -> bool {
        is_long(Duration::from_nanos(self.0.load(Ordering::Relaxed)))
    }

    fn note(&self, used: Duration) {
        let used = nanos(used);
        let latest = self.0.load(Ordering::Relaxed);
        // Two that end at the same moment may count as one.
        self.0
            .store(used.max(latest - latest / FADES), Ordering::Relaxed);
    }
}

fn is_long(used: Duration) -> bool {
    used > SHORT
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How one attempt takes turns.
pub(super) struct Pace<'a> {
    turns: &'a Turns,
    clock: &'a CpuClock,
    latest: &'a LatestCpu,
    long_from_start: bool,
}

impl<'a> Pace<'a> {
    /// For the attempt that `clock` measures.
    pub(super) fn new(turns: &'a Turns, clock: &'a CpuClock, latest: &'a LatestCpu) -> Self {
        Self {
            turns,
            clock,
            latest,
            long_from_start: latest.is_long(),
        }
    }

    /// Polls `future` in turn.
    pub(super) fn keep<F: Future>(&'a self, future: Pin<&'a mut F>) -> Paced<'a, F> {
        Paced {
            pace: self,
            turns: PollSemaphore::new(Arc::clone(&self.turns.0)),
            future: Metered::new(self.clock, future),
        }
    }

    /// The attempt has ended: its turn to clear up, if it needs one.
    pub(super) async fn end(self) -> Option<OwnedSemaphorePermit> {
        self.latest.note(self.clock.used());
        if !self.is_long() {
            return None;
        }
        Arc::clone(&self.turns.0).acquire_owned().await.ok()
    }

    fn is_long(&self) -> bool {
        self.long_from_start || is_long(self.clock.used())
    }
}

/// A measured future that takes turns.
pub(super) struct Paced<'a, F> {
    pace: &'a Pace<'a>,
    turns: PollSemaphore,
    future: Metered<'a, F>,
}

impl<F: Future> Future for Paced<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _turn = if self.pace.is_long() {
            ready!(self.turns.poll_acquire(context))
        } else {
            None
        };
        Pin::new(&mut self.future).poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    /// Whether an attempt that uses `cpu` at its first poll begins, and whether it ends
    /// at its second one, which it asks for at once.
    fn polls(turns: &Turns, latest: &LatestCpu, cpu: Duration) -> (bool, bool) {
        let clock = CpuClock::new(cpu);
        let mut begun = false;
        let future = pin!(poll_fn(|_| {
            if begun {
                return Poll::Ready(());
            }
            begun = true;
            while clock.check().is_ok() {}
            Poll::Pending
        }));
        let pace = Pace::new(turns, &clock, latest);
        let mut paced = pace.keep(future);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut paced).poll(&mut context).is_pending());
        let ends = Pin::new(&mut paced).poll(&mut context).is_ready();
        drop(paced);
        let mut end = pin!(pace.end());
        let _ = end.as_mut().poll(&mut context);
        (clock.used() > Duration::ZERO, ends)
    }

    const LONG: Duration = Duration::from_millis(2);

    /// What is left when one attempt of a new program has ended soon.
    fn short() -> LatestCpu {
        let latest = LatestCpu::default();
        latest.note(Duration::ZERO);
        latest
    }

    #[test]
    fn a_long_attempt_waits_for_a_turn_and_a_short_one_does_not() {
        let turns = Turns::new(1);
        let other = turns.0.try_acquire().expect("nobody has it");
        assert_eq!(polls(&turns, &short(), Duration::ZERO), (true, true));
        assert_eq!(polls(&turns, &short(), LONG), (true, false));

        drop(other);
        assert_eq!(polls(&turns, &short(), LONG), (true, true));
        assert_eq!(turns.0.available_permits(), 1, "each is given back");
    }

    #[test]
    fn a_plugin_whose_latest_attempt_was_long_waits_from_the_start() {
        let turns = Turns::new(1);
        let latest = short();
        latest.note(LONG);
        let other = turns.0.try_acquire().expect("nobody has it");
        assert_eq!(polls(&turns, &latest, Duration::ZERO), (false, false));
        drop(other);
    }

    #[test]
    fn a_plugin_of_which_nothing_is_known_waits_from_the_start() {
        let turns = Turns::new(1);
        let other = turns.0.try_acquire().expect("nobody has it");
        let begins_and_ends = polls(&turns, &LatestCpu::default(), Duration::ZERO);
        assert_eq!(begins_and_ends, (false, false));
        drop(other);
    }

    #[test]
    fn what_a_plugin_used_fades() {
        let latest = LatestCpu::default();
        latest.note(Duration::from_millis(100));
        for _ in 0..34 {
            latest.note(Duration::ZERO);
            assert!(latest.is_long());
        }
        latest.note(Duration::ZERO);
        assert!(!latest.is_long());
    }
}
