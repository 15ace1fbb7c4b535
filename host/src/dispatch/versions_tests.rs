use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::dispatch::breaker::BreakerPolicy;

/// A file's content and a manifest.
type Made = (u8, u32);

impl Version for Made {
    fn under(&self, manifest_of: &Self) -> Self {
        (self.0, manifest_of.1)
    }
}

const POLICY: RollbackPolicy = RollbackPolicy {
    watch: 5,
    failures: 2,
};

fn terms(content: u8, rollback: RollbackPolicy) -> Terms {
    Terms {
        content: [content; 32],
        concurrency: 1,
        memory: 1,
        ordered: true,
        longest_wait: Duration::ZERO,
        breaker: BreakerPolicy::default(),
        rollback,
    }
}

struct Scene(Versions<Made>);

/// What an attempt knows of its version.
type Started = (u64, Option<TrialId>);

impl Scene {
    /// With these contents, one after the other, without an attempt.
    fn of(contents: &[u8]) -> Self {
        let mut scene = Self(Versions::none());
        contents
            .iter()
            .for_each(|&content| scene.swap((content, 0)));
        scene
    }

    fn swap(&mut self, made: Made) {
        self.0.swap(made, terms(made.0, POLICY));
    }

    fn start(&self) -> Started {
        (self.0.generation(), self.0.trial())
    }

    fn end(&mut self, started: Started, evidence: Evidence) -> Option<RolledBack<Made>> {
        self.0.ended(started.0, started.1, evidence)
    }

    fn attempt(&mut self, evidence: Evidence) -> Option<RolledBack<Made>> {
        let started = self.start();
        self.end(started, evidence)
    }

    fn runs(&self) -> Option<Made> {
        self.0.current().map(|(made, _)| *made)
    }
}

#[test]
fn traps_of_the_new_version_bring_back_the_old_code_under_the_new_manifest() {
    let mut scene = Scene::of(&[1]);
    scene.attempt(Evidence::Works);
    scene.swap((2, 7));
    assert_eq!(scene.attempt(Evidence::Traps), None);
    assert_eq!(scene.attempt(Evidence::Works), None);
    let rolled_back = scene.attempt(Evidence::Traps).expect("it goes");
    let expected = RolledBack {
        from: (2, 7),
        to: (1, 7),
        ended: 3,
        traps: 2,
    };
    assert_eq!(rolled_back, expected);
    assert_eq!(scene.runs(), Some((1, 7)));
    assert_eq!(scene.0.trial(), None, "it is known");
    let content = scene.0.current().map(|(_, terms)| terms.content);
    assert_eq!(content, Some([1; 32]));
}

#[test]
fn a_handler_that_asks_for_another_attempt_or_rejects_is_not_rolled_back() {
    let mut scene = Scene::of(&[1, 2]);
    for evidence in [Evidence::Fails, Evidence::Works, Evidence::Nothing] {
        for _ in 0..3 {
            assert_eq!(scene.attempt(evidence), None);
        }
    }
    assert_eq!(scene.0.trial(), None, "it has passed");
}

#[test]
fn what_traps_like_the_one_before_stays() {
    let mut scene = Scene::of(&[1]);
    scene.attempt(Evidence::Traps);
    scene.attempt(Evidence::Works);
    scene.swap((2, 0));
    assert_eq!(scene.0.trial(), None);
    // Long ago it did.
    let mut scene = Scene::of(&[1]);
    scene.attempt(Evidence::Traps);
    for _ in 0..POLICY.watch {
        scene.attempt(Evidence::Works);
    }
    scene.swap((2, 0));
    assert!(scene.0.trial().is_some());
}

#[test]
fn an_attempt_of_the_old_version_that_traps_after_the_swap_counts_against_the_old() {
    let mut scene = Scene::of(&[1]);
    let old = scene.start();
    scene.swap((2, 0));
    scene.attempt(Evidence::Traps);
    assert_eq!(scene.end(old, Evidence::Traps), None);
    assert_eq!(scene.attempt(Evidence::Traps), None);
    assert_eq!(scene.runs(), Some((2, 0)));
}

#[test]
fn attempts_of_a_version_that_was_rolled_back_say_nothing_about_the_next() {
    let mut scene = Scene::of(&[1, 2]);
    let late: Vec<Started> = (0..4).map(|_| scene.start()).collect();
    scene.attempt(Evidence::Traps);
    assert!(scene.attempt(Evidence::Traps).is_some());
    scene.swap((3, 0));
    for started in late {
        assert_eq!(scene.end(started, Evidence::Traps), None);
    }
    assert!(scene.0.trial().is_some());
    assert_eq!(scene.runs(), Some((3, 0)));
}

#[test]
fn replaced_twice_at_once_the_last_goes_back_to_the_one_that_is_known() {
    let mut scene = Scene::of(&[1, 2, 3]);
    scene.attempt(Evidence::Traps);
    let rolled_back = scene.attempt(Evidence::Traps).expect("it goes");
    assert_eq!((rolled_back.from.0, rolled_back.to.0), (3, 1));
}

#[test]
fn one_that_has_answered_meanwhile_is_what_the_next_goes_back_to() {
    let mut scene = Scene::of(&[1, 2]);
    scene.attempt(Evidence::Works);
    scene.swap((3, 0));
    scene.attempt(Evidence::Traps);
    let rolled_back = scene.attempt(Evidence::Traps).expect("it goes");
    assert_eq!((rolled_back.from.0, rolled_back.to.0), (3, 2));
}

#[test]
fn the_known_one_that_is_put_back_by_hand_is_not_on_probation() {
    let scene = Scene::of(&[1, 2, 1]);
    assert_eq!(scene.0.trial(), None);
    assert_eq!(scene.runs(), Some((1, 0)));
}

#[test]
fn a_removed_plugin_forgets_its_versions() {
    let mut scene = Scene::of(&[1, 2]);
    let started = scene.start();
    scene.0.remove();
    assert_eq!(scene.end(started, Evidence::Traps), None);
    scene.swap((2, 0));
    assert_eq!(scene.0.trial(), None);
    assert_eq!(scene.end(started, Evidence::Traps), None);
    assert_eq!(scene.runs(), Some((2, 0)));
}

#[test]
fn a_new_manifest_gives_another_chance_and_can_turn_it_off() {
    let mut scene = Scene::of(&[1, 2]);
    scene.attempt(Evidence::Traps);
    scene.swap((2, 1));
    assert_eq!(scene.attempt(Evidence::Traps), None);
    let rolled_back = scene.attempt(Evidence::Traps).expect("it goes");
    assert_eq!(rolled_back.to, (1, 1));

    let mut scene = Scene::of(&[1, 2]);
    let off = RollbackPolicy {
        failures: 0,
        ..POLICY
    };
    scene.0.swap((2, 1), terms(2, off));
    assert_eq!(scene.0.trial(), None);
    scene.0.swap((3, 1), terms(3, off));
    assert_eq!(scene.0.trial(), None);
}

#[derive(Clone, Debug)]
enum Step {
    Swap(u8),
    Remove,
    Start,
    End(prop::sample::Index, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (1u8..5).prop_map(Step::Swap),
        1 => Just(Step::Remove),
        8 => Just(Step::Start),
        8 => (any::<prop::sample::Index>(), 0u8..5).prop_map(|(pick, how)| Step::End(pick, how)),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    /// Whatever happens: what runs is the latest that was swapped in, or, since
    /// enough attempts of just that version on probation have trapped, something
    /// that ran earlier and hasn't been removed since; and always under the
    /// latest manifest.
    #[test]
    fn only_what_traps_goes_and_only_to_what_ran(steps in steps()) {
        let mut scene = Scene::of(&[]);
        let mut manifest = 0;
        let mut ran: Vec<u8> = Vec::new();
        let mut runs: Option<u8> = None;
        let mut attempts: Vec<Started> = Vec::new();
        let mut traps: Vec<TrialId> = Vec::new();
        for step in steps {
            match step {
                Step::Swap(content) => {
                    manifest += 1;
                    scene.swap((content, manifest));
                    ran.extend(runs);
                    runs = Some(content);
                }
                Step::Remove => {
                    scene.0.remove();
                    ran.clear();
                    runs = None;
                }
                Step::Start => {
                    if runs.is_some() {
                        attempts.push(scene.start());
                    }
                }
                Step::End(pick, how) => {
                    if attempts.is_empty() {
                        continue;
                    }
                    let started = attempts.swap_remove(pick.index(attempts.len()));
                    let evidence = [Evidence::Traps, Evidence::Traps, Evidence::Works, Evidence::Fails, Evidence::Nothing][usize::from(how)];
                    let trial = scene.0.trial();
                    if evidence == Evidence::Traps {
                        traps.extend(started.1);
                    }
                    if let Some(rolled_back) = scene.end(started, evidence) {
                        prop_assert_eq!(Some(rolled_back.from.0), runs);
                        prop_assert!(ran.contains(&rolled_back.to.0));
                        prop_assert_ne!(rolled_back.from.0, rolled_back.to.0);
                        let its = traps.iter().filter(|one| Some(**one) == trial);
                        prop_assert_eq!(its.count(), POLICY.failures as usize);
                        runs = Some(rolled_back.to.0);
                    }
                }
            }
            prop_assert_eq!(scene.runs(), runs.map(|content| (content, manifest)));
        }
    }
}
