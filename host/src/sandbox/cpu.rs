//! CPU time of an attempt: only what the handler's thread spends on it counts,
//! not the time in which it waits or in which others run.
//!
//! An attempt is a future that is polled on changing threads. [`Metered`] reads
//! the thread's CPU clock around each poll; within a long poll the epoch
//! callback asks [`CpuClock::check`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The attempt has used up its CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CPU limit of {} ms exceeded: {} ms used", limit.as_millis(), used.as_millis())]
pub struct CpuExceeded {
    /// The limit.
    pub limit: Duration,
    /// What it had used when that was noticed.
    pub used: Duration,
}

/// Counts an attempt's CPU time.
///
/// The two numbers are only written by the thread that polls the attempt at
/// that moment; atomics make them shareable, no ordering is needed.
#[derive(Debug)]
pub struct CpuClock {
    limit: Duration,
    /// Nanoseconds of the polls that have ended.
    used: AtomicU64,
    /// The thread's CPU clock when the present poll began, in nanoseconds.
    since: AtomicU64,
}

impl CpuClock {
    /// A clock at zero.
    #[must_use]
    pub fn new(limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicU64::new(0),
            since: AtomicU64::new(0),
        })
    }

    /// What the polls that have ended took in all.
    #[must_use]
    pub fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// Called on the attempt's thread within a poll.
    ///
    /// # Errors
    /// When the limit is used up.
    pub fn check(&self) -> Result<(), CpuExceeded> {
        let poll = thread_clock().saturating_sub(self.since.load(Ordering::Relaxed));
        let used = self.used.load(Ordering::Relaxed).saturating_add(poll);
        let (limit, used) = (self.limit, Duration::from_nanos(used));
        if used > limit {
            return Err(CpuExceeded { limit, used });
        }
        Ok(())
    }

    fn begin(&self) {
        self.since.store(thread_clock(), Ordering::Relaxed);
    }

    fn end(&self) {
        let poll = thread_clock().saturating_sub(self.since.load(Ordering::Relaxed));
        self.used.fetch_add(poll, Ordering::Relaxed);
    }
}

/// Nanoseconds of CPU that this thread has used since its start.
fn thread_clock() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// A future whose polls a [`CpuClock`] measures.
#[derive(Debug)]
pub struct Metered<'a, F> {
    clock: &'a CpuClock,
    future: Pin<&'a mut F>,
}

impl<'a, F: Future> Metered<'a, F> {
    /// Measures `future` with `clock`.
    pub fn new(clock: &'a CpuClock, future: Pin<&'a mut F>) -> Self {
        Self { clock, future }
    }
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.clock.begin();
        let poll = self.future.as_mut().poll(context);
        self.clock.end();
        poll
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[test]
    fn a_spinning_poll_is_over_the_limit_before_it_ends() {
        let clock = CpuClock::new(Duration::from_millis(2));
        let spinner = Arc::clone(&clock);
        let spinning = pin!(async move {
            loop {
                if let Err(exceeded) = spinner.check() {
                    return exceeded;
                }
            }
        });
        let mut spin = Metered::new(&clock, spinning);
        let mut context = Context::from_waker(std::task::Waker::noop());

        let Poll::Ready(exceeded) = Pin::new(&mut spin).poll(&mut context) else {
            panic!("the future is ready at its first poll")
        };

        assert_eq!(exceeded.limit, Duration::from_millis(2));
        assert!(exceeded.used > exceeded.limit);
        assert!(clock.used() >= Duration::from_millis(2));
    }
}
