//! Long attempts take turns, so that they never use all cores.
//!
//! Handlers that spin would otherwise keep every core busy: short attempts, and
//! whatever answers webhooks, would wait for them at each step. A long attempt needs
//! one of the [`Turns`] for each poll, which lasts for a tick of the epoch, or for one
//! instruction over much memory; and to give its memory back. There is one turn less
//! than cores. Attempts of one program wait in a [`Line`], and only its first have a
//! place among those of the others: so each program has the same share, however many
//! attempts it makes at once.
//!
//! Long is what has used more than [`SHORT`] of CPU time. An attempt of a plugin whose
//! latest attempts were long counts as one from its start, as its first poll alone may
//! take long; so do the first ones of a plugin, until one has ended.
//!
//! The wall clock goes on while an attempt waits for its turn; its CPU time doesn't.

use std::future::{Future, poll_fn};
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
    /// One less than this machine has cores, and at least one.
    pub(super) fn of_this_machine() -> Self {
        Self::new(count())
    }

    fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }
}

fn count() -> usize {
    let cores = available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).max(1)
}

/// A turn, and the place in the line that leads to it.
#[derive(Debug)]
pub(super) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// Where the attempts of one program wait for their turns.
#[derive(Debug)]
pub(super) struct Line {
    /// As many of its attempts have a turn at once, or are the next, as there are turns.
    places: Arc<Semaphore>,
    /// The CPU time that the latest attempts used, in nanoseconds: the most, which
    /// fades.
    latest_cpu: AtomicU64,
}

impl Default for Line {
    /// Of a program of which nothing is known: it counts as just long.
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(count())),
            latest_cpu: AtomicU64::new(nanos(SHORT) + 1),
        }
    }
}

impl Line {
    fn is_long(&self) -> bool {
        is_long(Duration::from_nanos(
            self.latest_cpu.load(Ordering::Relaxed),
        ))
    }

    fn note(&self, used: Duration) {
        let latest = self.latest_cpu.load(Ordering::Relaxed);
        // Two that end at the same moment may count as one.
        self.latest_cpu
            .store(nanos(used).max(latest - latest / FADES), Ordering::Relaxed);
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
    line: &'a Line,
    long_from_start: bool,
}

impl<'a> Pace<'a> {
    /// For the attempt that `clock` measures.
    pub(super) fn new(turns: &'a Turns, clock: &'a CpuClock, line: &'a Line) -> Self {
        Self {
            turns,
            clock,
            line,
            long_from_start: line.is_long(),
        }
    }

    /// Polls `future` in turn.
    pub(super) fn keep<F: Future>(&'a self, future: Pin<&'a mut F>) -> Paced<'a, F> {
        Paced {
            pace: self,
            wait: self.wait(),
            future: Metered::new(self.clock, future),
        }
    }

    /// The attempt has ended: its turn to clear up, if it needs one.
    pub(super) async fn end(self) -> Option<Turn> {
        self.line.note(self.clock.used());
        if !self.is_long() {
            return None;
        }
        let mut wait = self.wait();
        poll_fn(|context| wait.poll_turn(context)).await
    }

    fn is_long(&self) -> bool {
        self.long_from_start || is_long(self.clock.used())
    }

    fn wait(&self) -> Wait {
        Wait {
            places: PollSemaphore::new(Arc::clone(&self.line.places)),
            place: None,
            turns: PollSemaphore::new(Arc::clone(&self.turns.0)),
        }
    }
}

/// An attempt's way to its next turn.
struct Wait {
    places: PollSemaphore,
    /// The one that it has, until it has its turn.
    place: Option<OwnedSemaphorePermit>,
    turns: PollSemaphore,
}

impl Wait {
    /// `None` only if the semaphores were closed, which nobody does.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<Turn>> {
        if self.place.is_none() {
            self.place = ready!(self.places.poll_acquire(context));
        }
        let turn = ready!(self.turns.poll_acquire(context));
        let both = turn.zip(self.place.take());
        Poll::Ready(both.map(|(turn, place)| Turn {
            _turn: turn,
            _place: place,
        }))
    }
}

/// A measured future that takes turns.
pub(super) struct Paced<'a, F> {
    pace: &'a Pace<'a>,
    wait: Wait,
    future: Metered<'a, F>,
}

impl<F: Future> Future for Paced<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _turn = if self.pace.is_long() {
            ready!(self.wait.poll_turn(context))
        } else {
            None
        };
        Pin::new(&mut self.future).poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    /// Whether an attempt that uses `cpu` at its first poll begins, and whether it ends
    /// at its second one, which it asks for at once.
    fn polls(turns: &Turns, line: &Line, cpu: Duration) -> (bool, bool) {
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
        let pace = Pace::new(turns, &clock, line);
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
    fn short() -> Line {
        let line = Line::default();
        line.note(Duration::ZERO);
        line
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
        let line = short();
        line.note(LONG);
        let other = turns.0.try_acquire().expect("nobody has it");
        assert_eq!(polls(&turns, &line, Duration::ZERO), (false, false));
        drop(other);
    }

    #[test]
    fn a_plugin_of_which_nothing_is_known_waits_from_the_start() {
        let turns = Turns::new(1);
        let other = turns.0.try_acquire().expect("nobody has it");
        let begins_and_ends = polls(&turns, &Line::default(), Duration::ZERO);
        assert_eq!(begins_and_ends, (false, false));
        drop(other);
    }

    #[test]
    fn what_a_plugin_used_fades() {
        let line = Line::default();
        line.note(Duration::from_millis(100));
        for _ in 0..34 {
            line.note(Duration::ZERO);
            assert!(line.is_long());
        }
        line.note(Duration::ZERO);
        assert!(!line.is_long());
    }

    #[test]
    fn a_program_has_one_share_however_many_attempts_it_makes() {
        let turns = Turns::new(1);
        let other = turns.0.try_acquire().expect("nobody has it");
        let (many, one) = (Line::default(), Line::default());
        let clock = CpuClock::new(LONG);
        let pace_of_many = Pace::new(&turns, &clock, &many);
        let pace_of_one = Pace::new(&turns, &clock, &one);
        let places = many.places.available_permits();
        let mut context = Context::from_waker(Waker::noop());
        let mut first: Vec<_> = (0..3 * places).map(|_| pace_of_many.wait()).collect();
        for wait in &mut first {
            assert!(wait.poll_turn(&mut context).is_pending());
        }
        let mut last = pace_of_one.wait();
        assert!(last.poll_turn(&mut context).is_pending());

        drop(other);
        for wait in first.iter_mut().take(places) {
            assert!(wait.poll_turn(&mut context).is_ready(), "its turn has come");
        }
        assert!(last.poll_turn(&mut context).is_ready(), "before the others");
    }
}
