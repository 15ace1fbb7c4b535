//! Pauses a plugin whose attempts all fail. Pure: the clock comes in.
//!
//! Closed, it counts failures in a row. Enough of them, of enough different
//! sessions, open it: nothing starts for a pause. Then one attempt is the probe;
//! if that fails, the next pause is twice as long. The first attempt that goes
//! well closes it. Deliveries that wait meanwhile use up no attempts.

use std::time::{Duration, Instant};

/// One broken conversation must not pause a plugin for all others: the failures
/// have to come from so many.
const SOURCES: usize = 3;

/// When to pause a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row; 0 turns it off.
    pub failures: u32,
    /// The first pause.
    pub pause: Duration,
    /// No pause is longer.
    pub max_pause: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 20,
            pause: Duration::from_secs(10),
            max_pause: Duration::from_secs(300),
        }
    }
}

/// What the end of an attempt says about its plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It answered.
    Works,
    /// It asked for another attempt, or came to no answer.
    Fails,
    /// It trapped or hit a limit.
    Traps,
    /// Nothing: it had no room, met a conflict, or wasn't needed.
    Nothing,
}

/// What has become of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is open now, for so long.
    Opened(Duration),
    /// It is closed now.
    Closed,
}

/// The breaker of one version of a plugin.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    /// Failures in a row, of attempts and of probes.
    failures: u32,
    /// How many probes there have been.
    probes: u64,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// With some of the sessions that the failures are of.
    Closed(Vec<u64>),
    /// Nothing starts before `until`.
    Open { until: Instant, pause: Duration },
    /// One attempt runs; it was started after a pause of this length.
    Probing { probe: Probe, pause: Duration },
}

/// Tells probes apart: an earlier one may still run when the breaker has opened
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe(u64);

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            probes: 0,
            state: State::Closed(Vec::new()),
        }
    }

    /// Whether an attempt may start.
    #[must_use]
    pub fn may_start(&self, now: Instant) -> bool {
        match self.state {
            State::Closed(_) => true,
            State::Open { until, .. } => until <= now,
            State::Probing { .. } => false,
        }
    }

    /// When the pause ends, if there is one.
    #[must_use]
    pub fn open_until(&self) -> Option<Instant> {
        match self.state {
            State::Open { until, .. } => Some(until),
            State::Closed(_) | State::Probing { .. } => None,
        }
    }

    /// Whether its probe runs.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        matches!(self.state, State::Probing { .. })
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt starts, which it [may](Breaker::may_start). If it is the probe,
    /// that has to be said when it [ends](Breaker::ended).
    pub fn start(&mut self) -> Option<Probe> {
        let State::Open { pause, .. } = self.state else {
            return None;
        };
        self.probes += 1;
        let probe = Probe(self.probes);
        self.state = State::Probing { probe, pause };
        Some(probe)
    }

    /// An attempt has ended. `source` is the same for all of a session.
    pub fn ended(
        &mut self,
        of: Option<Probe>,
        evidence: Evidence,
        source: u64,
        now: Instant,
    ) -> Option<Change> {
        match (evidence, &mut self.state) {
            (Evidence::Works, State::Closed(sources)) => {
                self.failures = 0;
                sources.clear();
                None
            }
            // An attempt from before the pause is as good as a probe.
            (Evidence::Works, State::Open { .. } | State::Probing { .. }) => {
                self.failures = 0;
                self.state = State::Closed(Vec::new());
                Some(Change::Closed)
            }
            (Evidence::Fails | Evidence::Traps, State::Closed(sources)) => {
                self.failures = self.failures.saturating_add(1);
                if sources.len() < SOURCES && !sources.contains(&source) {
                    sources.push(source);
                }
                let wanted = usize::try_from(self.policy.failures).unwrap_or(usize::MAX);
                let many = self.failures >= self.policy.failures;
                let of_many = sources.len() >= SOURCES.min(wanted);
                (self.policy.failures > 0 && many && of_many)
                    .then(|| self.open(self.policy.pause, now))
            }
            (Evidence::Fails | Evidence::Traps, State::Probing { probe, pause })
                if of == Some(*probe) =>
            {
                let pause = pause.saturating_mul(2);
                self.failures = self.failures.saturating_add(1);
                Some(self.open(pause, now))
            }
            // Nobody knows more than before: the next attempt is the probe.
            (Evidence::Nothing, State::Probing { probe, pause }) if of == Some(*probe) => {
                let pause = *pause;
                self.state = State::Open { until: now, pause };
                None
            }
            // Attempts from before the pause.
            (Evidence::Fails | Evidence::Traps | Evidence::Nothing, _) => None,
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) -> Change {
        let pause = pause.min(self.policy.max_pause);
        self.state = State::Open {
            until: now + pause,
            pause,
        };
        Change::Opened(pause)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(failures: u32) -> BreakerPolicy {
        BreakerPolicy {
            failures,
            ..BreakerPolicy::default()
        }
    }

    /// A breaker that opened at the moment that is returned with it.
    fn opened() -> (Breaker, Instant) {
        let mut breaker = Breaker::new(policy(3));
        let now = Instant::now();
        for source in 0..3 {
            breaker.ended(None, Evidence::Fails, source, now);
        }
        assert!(!breaker.may_start(now));
        (breaker, now)
    }

    #[test]
    fn failures_in_a_row_open_it_for_a_pause() {
        let mut breaker = Breaker::new(policy(4));
        let now = Instant::now();
        let mut end = |evidence, source| breaker.ended(None, evidence, source, now);
        for source in 0..3 {
            assert_eq!(end(Evidence::Fails, source), None);
        }
        assert_eq!(end(Evidence::Works, 3), None);
        for source in 0..3 {
            assert_eq!(end(Evidence::Fails, source), None);
        }
        assert_eq!(end(Evidence::Nothing, 3), None);
        let pause = BreakerPolicy::default().pause;
        assert_eq!(end(Evidence::Fails, 3), Some(Change::Opened(pause)));
        assert!(!breaker.may_start(now + pause - Duration::from_millis(1)));
        assert!(breaker.may_start(now + pause));
    }

    #[test]
    fn one_broken_session_does_not_open_it() {
        let mut breaker = Breaker::new(policy(3));
        let now = Instant::now();
        for _ in 0..1000 {
            assert_eq!(breaker.ended(None, Evidence::Fails, 1, now), None);
        }
        assert_eq!(breaker.ended(None, Evidence::Fails, 2, now), None);
        let opened = breaker.ended(None, Evidence::Fails, 3, now);
        assert!(matches!(opened, Some(Change::Opened(_))));
    }

    #[test]
    fn one_probe_runs_at_a_time_and_its_success_closes_it() {
        let (mut breaker, now) = opened();
        let later = now + BreakerPolicy::default().pause;
        let probe = breaker.start();
        assert!(probe.is_some() && !breaker.may_start(later));
        let closed = breaker.ended(probe, Evidence::Works, 9, later);
        assert_eq!(closed, Some(Change::Closed));
        assert!(breaker.may_start(later));
        assert_eq!(breaker.start(), None, "an attempt like any other");
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_the_longest() {
        let (mut breaker, _) = opened();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let now = breaker.open_until().expect("it is open");
            let probe = breaker.start();
            match breaker.ended(probe, Evidence::Fails, 9, now) {
                Some(Change::Opened(pause)) => pauses.push(pause.as_secs()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pauses, [20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn what_started_before_the_pause_says_nothing_by_failing_and_all_by_working() {
        let (mut breaker, now) = opened();
        assert_eq!(breaker.ended(None, Evidence::Fails, 9, now), None);
        let probe = breaker.start();
        assert_eq!(breaker.ended(None, Evidence::Fails, 9, now), None);
        assert!(breaker.is_probing());
        let closed = breaker.ended(None, Evidence::Works, 9, now);
        assert_eq!(closed, Some(Change::Closed));
        assert_eq!(breaker.ended(probe, Evidence::Fails, 9, now), None);
        assert!(breaker.may_start(now));
    }

    #[test]
    fn a_probe_that_shows_nothing_is_followed_by_another_at_once() {
        let (mut breaker, now) = opened();
        let later = now + BreakerPolicy::default().pause;
        let probe = breaker.start();
        breaker.ended(probe, Evidence::Nothing, 9, later);
        assert!(breaker.may_start(later));
        assert!(breaker.start().is_some());
    }

    #[test]
    fn it_can_be_turned_off() {
        let mut breaker = Breaker::new(policy(0));
        let now = Instant::now();
        for source in 0..1000 {
            assert_eq!(breaker.ended(None, Evidence::Fails, source, now), None);
        }
        assert!(breaker.may_start(now));
    }

    /// A step: the clock goes on, and an attempt starts if it may, or one of
    /// those that run ends.
    fn steps() -> impl Strategy<Value = Vec<(u64, bool, prop::sample::Index, u8)>> {
        let step = (
            0u64..400,
            any::<bool>(),
            any::<prop::sample::Index>(),
            0u8..3,
        );
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        /// Whatever happens: as soon as nothing runs, an attempt may start after
        /// the longest pause at the latest, and the first that works closes it.
        #[test]
        fn it_never_starves_a_plugin(failures in 0u32..6, steps in steps()) {
            let mut breaker = Breaker::new(policy(failures));
            let mut now = Instant::now();
            let mut running: Vec<(Option<Probe>, u64)> = Vec::new();
            for (id, (seconds, start, pick, evidence)) in (0u64..).zip(steps) {
                now += Duration::from_secs(seconds);
                if start && breaker.may_start(now) {
                    running.push((breaker.start(), id));
                } else if !running.is_empty() {
                    let (probe, source) = running.swap_remove(pick.index(running.len()));
                    let evidence = [Evidence::Works, Evidence::Fails, Evidence::Nothing][usize::from(evidence)];
                    breaker.ended(probe, evidence, source, now);
                }
                if let Some(until) = breaker.open_until() {
                    prop_assert!(until <= now + BreakerPolicy::default().max_pause);
                }
                if let State::Probing { probe, .. } = breaker.state {
                    let its = running.iter().filter(|(of, _)| *of == Some(probe));
                    prop_assert_eq!(its.count(), 1);
                }
            }
            for (probe, source) in running {
                breaker.ended(probe, Evidence::Fails, source, now);
            }
            now += BreakerPolicy::default().max_pause;
            prop_assert!(breaker.may_start(now));
            let probe = breaker.start();
            breaker.ended(probe, Evidence::Works, 0, now);
            prop_assert!(breaker.may_start(now) && breaker.failures() == 0);
        }
    }
}
