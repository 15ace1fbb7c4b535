//! Long attempts take turns, so that they never use all cores.
//!
//! Handlers that spin would otherwise keep every core busy: short attempts, and
//! whatever answers webhooks, would wait for them at each step. A long attempt needs
//! one of the [`Turns`] for each poll, which lasts for a tick of the epoch, or for one
//! instruction over much memory; and to clear up when it has ended. There is one turn
//! less than cores.
//!
//! Attempts of one program wait in a [`Line`], the first of it in one of their
//! endpoint, and the first of that for a turn. So an endpoint's share doesn't grow with
//! its plugins, nor a plugin's with its attempts.
//!
//! Long is what has used more than [`SHORT`] of CPU time. Where attempts of a plugin use
//! more than that on average, they count as long from their start, as the first poll alone
//! may take long; so do the first ones of a plugin, until one has ended.
//!
//! What an attempt waits before it begins counts for nothing; from then on its wall
//! clock goes on while it waits, its CPU time doesn't.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

use super::cpu::{CpuClock, Metered};
use crate::types::EndpointName;

/// CPU time that an attempt may use without waiting for a turn: ten times what a usual
/// handler in Rust needs.
const SHORT: Duration = Duration::from_millis(1);

/// The most that is remembered of what attempts used beyond [`SHORT`] each: as many
/// short ones as this has milliseconds clear it.
const MOST_DEBT: Duration = Duration::from_secs(1);

/// The turns that long attempts take.
#[derive(Debug)]
pub(super) struct Turns {
    count: usize,
    turns: Arc<Semaphore>,
    /// As many attempts of an endpoint have a turn, or are the next, as there are
    /// turns. Endpoints are those of the configuration.
    endpoints: Mutex<BTreeMap<EndpointName, Arc<Semaphore>>>,
}

impl Turns {
    /// One less than this machine has cores, and at least one.
    pub(super) fn of_this_machine() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::new(cores.saturating_sub(1).max(1))
    }

    fn new(count: usize) -> Self {
        Self {
            count,
            turns: Arc::new(Semaphore::new(count)),
            endpoints: Mutex::default(),
        }
    }

    /// For a program of which nothing is known: it counts as just long.
    pub(super) fn line(&self) -> Line {
        Line {
            places: Arc::new(Semaphore::new(self.count)),
            debt: AtomicU64::new(1),
        }
    }

    fn endpoint(&self, name: &EndpointName) -> Arc<Semaphore> {
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = endpoints.get(name) {
            return Arc::clone(known);
        }
        let new = Arc::new(Semaphore::new(self.count));
        endpoints.insert(name.clone(), Arc::clone(&new));
        new
    }
}

/// Where the attempts of one program wait for their turns.
#[derive(Debug)]
pub(super) struct Line {
    /// As many of them have a turn, or are the next of their endpoint, as there are
    /// turns.
    places: Arc<Semaphore>,
    /// CPU time that its attempts used beyond [`SHORT`] each, and that others have not
    /// used less since; in nanoseconds.
    debt: AtomicU64,
}

impl Line {
    fn is_long(&self) -> bool {
        self.debt.load(Ordering::Relaxed) > 0
    }

    fn note(&self, used: Duration) {
        let after = |debt: u64| {
            let more = debt.saturating_add(nanos(used));
            more.saturating_sub(nanos(SHORT)).min(nanos(MOST_DEBT))
        };
        let order = Ordering::Relaxed;
        // It never refuses.
        let _ = self
            .debt
            .fetch_update(order, order, |debt| Some(after(debt)));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How one attempt takes turns.
pub(super) struct Pace<'a> {
    turns: &'a Turns,
    clock: &'a CpuClock,
    line: &'a Line,
    endpoint: &'a EndpointName,
    long_from_start: bool,
    /// For its first poll.
    first: Option<Turn>,
}

impl<'a> Pace<'a> {
    /// For the attempt that `clock` measures.
    pub(super) fn new(
        turns: &'a Turns,
        clock: &'a CpuClock,
        line: &'a Line,
        endpoint: &'a EndpointName,
    ) -> Self {
        Self {
            turns,
            clock,
            line,
            endpoint,
            long_from_start: line.is_long(),
            first: None,
        }
    }

    /// Waits until the attempt may begin.
    pub(super) async fn begin(&mut self) {
        if self.long_from_start {
            self.first = self.turn().await;
        }
    }

    /// Polls `future` in turn.
    pub(super) fn keep<'b, F: Future>(&'b mut self, future: Pin<&'b mut F>) -> Paced<'b, 'a, F> {
        Paced {
            future: Metered::new(self.clock, future),
            wait: None,
            pace: self,
        }
    }

    /// The attempt has ended: its turn to clear up, if it needs one.
    pub(super) async fn end(self) -> Option<Turn> {
        self.line.note(self.clock.used());
        if !self.is_long() {
            return None;
        }
        self.turn().await
    }

    fn is_long(&self) -> bool {
        self.long_from_start || self.clock.used() > SHORT
    }

    async fn turn(&self) -> Option<Turn> {
        let mut wait = self.wait();
        poll_fn(|context| wait.poll_turn(context)).await
    }

    fn wait(&self) -> Wait {
        let turns = self.turns;
        let stages = [
            Arc::clone(&self.line.places),
            turns.endpoint(self.endpoint),
            Arc::clone(&turns.turns),
        ];
        Wait {
            stages: stages.map(PollSemaphore::new),
            held: Vec::new(),
        }
    }
}

/// An attempt's way to its next turn: through its program's line and its endpoint's.
struct Wait {
    stages: [PollSemaphore; 3],
    /// Of as many stages as it has passed.
    held: Vec<OwnedSemaphorePermit>,
}

/// A turn, with the places in the lines that led to it.
#[derive(Debug)]
pub(super) struct Turn {
    _held: Vec<OwnedSemaphorePermit>,
}

impl Wait {
    /// `None` only if a semaphore were closed, which nobody does.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<Turn>> {
        while let Some(stage) = self.stages.get_mut(self.held.len()) {
            match ready!(stage.poll_acquire(context)) {
                Some(place) => self.held.push(place),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Turn {
            _held: std::mem::take(&mut self.held),
        }))
    }
}

/// A measured future that takes turns.
pub(super) struct Paced<'b, 'a, F> {
    pace: &'b mut Pace<'a>,
    /// Since it is a long one.
    wait: Option<Wait>,
    future: Metered<'b, F>,
}

impl<F: Future> Future for Paced<'_, '_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let mut turn = this.pace.first.take();
        if turn.is_none() && this.pace.is_long() {
            let wait = this.wait.get_or_insert_with(|| this.pace.wait());
            turn = ready!(wait.poll_turn(context));
        }
        let poll = Pin::new(&mut this.future).poll(context);
        drop(turn);
        poll
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    const LONG: Duration = Duration::from_millis(2);

    /// Whether an attempt that uses `cpu` at its first poll begins, and whether it ends
    /// at its second one, which it asks for at once.
    fn polls(turns: &Turns, line: &Line, cpu: Duration) -> (bool, bool) {
        let endpoint = endpoint("default");
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
        let mut context = Context::from_waker(Waker::noop());
        let mut pace = Pace::new(turns, &clock, line, &endpoint);
        if pin!(pace.begin()).poll(&mut context).is_pending() {
            return (false, false);
        }
        let mut paced = pace.keep(future);
        assert!(Pin::new(&mut paced).poll(&mut context).is_pending());
        let ends = Pin::new(&mut paced).poll(&mut context).is_ready();
        drop(paced);
        let _ = pin!(pace.end()).poll(&mut context);
        (true, ends)
    }

    fn endpoint(name: &str) -> EndpointName {
        EndpointName::new(name).expect("a name")
    }

    /// What is left when one attempt of a new program has ended soon.
    fn short(turns: &Turns) -> Line {
        let line = turns.line();
        line.note(Duration::ZERO);
        line
    }

    #[test]
    fn a_long_attempt_waits_for_a_turn_and_a_short_one_does_not() {
        let turns = Turns::new(1);
        let other = turns.turns.try_acquire().expect("nobody has it");
        assert_eq!(polls(&turns, &short(&turns), Duration::ZERO), (true, true));
        assert_eq!(polls(&turns, &short(&turns), LONG), (true, false));

        drop(other);
        assert_eq!(polls(&turns, &short(&turns), LONG), (true, true));
        assert_eq!(turns.turns.available_permits(), 1, "each is given back");
    }

    #[test]
    fn a_plugin_whose_attempts_are_long_or_unknown_waits_from_the_start() {
        let turns = Turns::new(1);
        let long = short(&turns);
        long.note(LONG);
        let other = turns.turns.try_acquire().expect("nobody has it");
        for line in [long, turns.line()] {
            assert_eq!(polls(&turns, &line, Duration::ZERO), (false, false));
        }
        drop(other);
    }

    #[test]
    fn short_attempts_clear_what_long_ones_used() {
        let line = short(&Turns::new(1));
        for _ in 0..2 {
            line.note(Duration::from_millis(11));
        }
        for _ in 0..20 {
            assert!(line.is_long());
            line.note(Duration::ZERO);
        }
        assert!(!line.is_long());
    }

    #[test]
    fn neither_attempts_nor_plugins_get_an_endpoint_a_larger_share() {
        let turns = Turns::new(1);
        let (many, few) = (endpoint("many"), endpoint("few"));
        let clock = CpuClock::new(LONG);
        let lines = [turns.line(), turns.line(), turns.line()];
        let mut context = Context::from_waker(Waker::noop());
        let wait =
            |line: &Line, endpoint: &EndpointName| Pace::new(&turns, &clock, line, endpoint).wait();
        let other = turns.turns.try_acquire().expect("nobody has it");
        // Two attempts of a plugin and one of another, then the other endpoint's.
        let mut waits = [
            wait(&lines[0], &many),
            wait(&lines[0], &many),
            wait(&lines[1], &many),
            wait(&lines[2], &few),
        ];
        for wait in &mut waits {
            assert!(wait.poll_turn(&mut context).is_pending());
        }
        drop(other);

        let mut order = Vec::new();
        let mut left: Vec<usize> = (0..waits.len()).collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|&index| {
                let turn = waits[index].poll_turn(&mut context);
                if turn.is_ready() {
                    order.push(index);
                }
                turn.is_pending()
            });
            assert!(left.len() < before, "someone has a turn: {order:?}");
        }
        assert_eq!(order, [0, 3, 2, 1]);
    }
}
