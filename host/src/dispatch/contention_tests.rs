use proptest::prelude::*;

use super::*;

fn at(key: &str) -> KvKey {
    KvKey {
        bucket: "b".into(),
        key: key.into(),
    }
}

fn keys(keys: &[&str]) -> BTreeSet<Claim> {
    keys.iter().map(|key| Claim::Key(at(key))).collect()
}

#[test]
fn a_key_is_claimed_after_three_conflicts_over_it() {
    let mut contest = Contest::new(Age(1));
    for _ in 1..PER_KEY {
        contest.changed(at("hot"));
        assert!(contest.claims.is_empty());
    }
    contest.changed(at("hot"));
    assert_eq!(contest.claims, keys(&["hot"]));
}

#[test]
fn who_conflicts_over_ever_new_keys_claims_the_bucket_and_then_all() {
    let mut contest = Contest::new(Age(1));
    for number in 1..IN_ALL {
        let key = KvKey {
            bucket: (number / 9).to_string(),
            key: number.to_string(),
        };
        contest.changed(key);
        assert_eq!(
            contest.claims.contains(&Claim::Bucket("1".into())),
            number >= 17
        );
        assert!(!contest.claims.contains(&Claim::All));
    }
    contest.changed(at("one more"));
    assert!(contest.claims.contains(&Claim::All));
}

#[test]
fn the_pause_grows_and_is_bounded() {
    let mut contest = Contest::new(Age(1));
    let pauses = (0..8).map(|_| {
        contest.changed(at("hot"));
        contest.pause(1.0).as_millis()
    });
    assert_eq!(
        pauses.collect::<Vec<_>>(),
        [5, 10, 20, 40, 80, 160, 200, 200]
    );
    assert_eq!(contest.pause(0.0), Duration::ZERO);
}

#[test]
fn a_key_has_one_holder_and_the_others_follow_by_age() {
    let mut table = Contention::default();
    let ages: Vec<Age> = (0..3).map(|_| table.next_age()).collect();
    assert!(table.enter(ages[1], keys(&["hot"])));
    assert!(!table.enter(ages[2], keys(&["hot"])));
    assert!(!table.enter(ages[0], keys(&["hot"])));
    assert_eq!(table.refuses(Some(ages[1]), &at("hot")), None);
    for other in [None, Some(ages[0]), Some(ages[2])] {
        assert_eq!(
            table.refuses(other, &at("hot")),
            Some(Claim::Key(at("hot")))
        );
    }
    assert_eq!(table.refuses(None, &at("cold")), None);
    assert_eq!(table.leave(ages[1]), [ages[0]]);
    assert_eq!(table.leave(ages[0]), [ages[2]]);
    assert_eq!(table.leave(ages[2]), []);
    assert!(table.is_empty(), "a key that nobody wants is forgotten");
}

#[test]
fn a_claimed_bucket_is_closed_to_those_who_hold_a_key_of_it() {
    let mut table = Contention::default();
    let (lister, writer) = (table.next_age(), table.next_age());
    assert!(table.enter(lister, BTreeSet::from([Claim::Bucket("b".into())])));
    assert!(table.enter(writer, keys(&["new"])));
    assert_eq!(
        table.refuses(Some(writer), &at("new")),
        Some(Claim::Bucket("b".into()))
    );
}

#[test]
fn two_keys_that_are_claimed_in_opposite_orders_do_not_deadlock() {
    let mut table = Contention::default();
    let (one, two) = (table.next_age(), table.next_age());
    assert!(table.enter(one, keys(&["a"])));
    assert!(table.enter(two, keys(&["b"])));
    // Each now meets the other's key: it leaves what it holds and claims both.
    assert_eq!(table.leave(one), []);
    assert!(!table.enter(one, keys(&["a", "b"])));
    assert_eq!(table.leave(two), [one]);
    assert!(!table.enter(two, keys(&["a", "b"])));
    assert_eq!(table.leave(one), [two]);
}

proptest! {
    /// Whatever is claimed in whatever order: no claim has two holders, whoever
    /// waits gets its turn when the others have left, and nothing is left over.
    #[test]
    fn everyone_gets_a_turn(
        claims in prop::collection::vec(prop::collection::btree_set(0u8..5, 1..4), 1..12),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 64),
    ) {
        let mut table = Contention::default();
        let mut holding: Vec<Age> = Vec::new();
        let mut turns = 0;
        let names: Vec<String> = (0..5).map(|key| key.to_string()).collect();
        let mut claims_of = HashMap::new();
        let mut picks = picks.into_iter().cycle();
        for wanted in &claims {
            let age = table.next_age();
            let wanted: Vec<&str> = wanted.iter().map(|&key| names[usize::from(key)].as_str()).collect();
            claims_of.insert(age, keys(&wanted));
            if table.enter(age, keys(&wanted)) {
                holding.push(age);
            }
            // Now and then somebody is through.
            if let Some(pick) = picks.next()
                && pick.index(3) == 0 && !holding.is_empty()
            {
                let age = holding.swap_remove(pick.index(holding.len()));
                turns += 1;
                holding.extend(table.leave(age));
            }
            for (place, one) in holding.iter().enumerate() {
                for other in &holding[place + 1..] {
                    prop_assert!(claims_of[one].is_disjoint(&claims_of[other]));
                }
            }
        }
        while let Some(pick) = picks.next() && !holding.is_empty() {
            let age = holding.swap_remove(pick.index(holding.len()));
            turns += 1;
            holding.extend(table.leave(age));
        }
        prop_assert_eq!(turns, claims.len());
        prop_assert!(table.is_empty());
    }
}
