use proptest::prelude::*;

use super::*;

fn overlay() -> Overlay {
    with(EffectLimits::default(), 0)
}

fn with(limits: EffectLimits, used: u64) -> Overlay {
    let version = KvVersion(5);
    Overlay::new(limits, KvSnapshot { version, used })
}

fn entry(value: &str, version: i64) -> Option<KvEntry> {
    Some(KvEntry {
        value: Bytes::copy_from_slice(value.as_bytes()),
        version: KvVersion(version),
    })
}

fn value(text: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

fn at(key: &str) -> KvKey {
    KvKey {
        bucket: "b".into(),
        key: key.into(),
    }
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn page(names: &[&str], more: bool) -> KvPage {
    let keys = keys(names).into_iter().map(|key| (key, KvVersion(1)));
    KvPage {
        keys: keys.collect(),
        more,
    }
}

fn refused(result: Result<(), Trouble>) -> Refusal {
    match result {
        Err(Trouble::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_read_is_known_and_recorded_once() {
    let mut overlay = overlay();
    assert_eq!(overlay.look("b", "k"), Look::Ask);
    assert_eq!(overlay.found("b", "k", entry("v", 3)), Ok(value("v")));
    assert_eq!(overlay.found("b", "none", None), Ok(None));
    assert_eq!(overlay.look("b", "k"), Look::Known(value("v")));
    assert_eq!(overlay.look("b", "none"), Look::Known(None));
    assert_eq!(overlay.found("b", "k", entry("v", 3)), Ok(value("v")));
    assert_eq!(
        overlay.into_effects().reads,
        [(at("k"), Some(KvVersion(3))), (at("none"), None)]
    );
}

#[test]
fn own_writes_are_seen_and_are_no_reads() {
    let mut overlay = overlay();
    overlay.write("b", "k", value("mine")).expect("it is small");
    assert_eq!(overlay.look("b", "k"), Look::Known(value("mine")));
    overlay.write("b", "k", None).expect("deleting is small");
    assert_eq!(overlay.look("b", "k"), Look::Known(None));
    let effects = overlay.into_effects();
    assert_eq!(effects.reads, []);
    let (at, value) = (at("k"), None);
    assert_eq!(effects.writes, [KvWrite { at, value }]);
}

#[test]
fn an_entry_newer_than_the_snapshot_is_a_conflict() {
    let conflict = Err(Stop::Entries(KvProblem::Conflict { at: at("k") }));
    assert_eq!(overlay().found("b", "k", entry("v", 6)), conflict);
    let mut listed = page(&["a", "k"], false);
    listed.keys[1].1 = KvVersion(6);
    assert_eq!(
        overlay().page("b", None, listed).map(drop),
        conflict.map(drop)
    );
}

#[test]
fn an_entry_that_has_gone_since_it_was_read_is_a_conflict() {
    let mut overlay = overlay();
    overlay.found("b", "k", entry("v", 3)).expect("it is old");
    let gone = overlay.found("b", "k", None);
    assert!(matches!(gone, Err(Stop::Entries(_))), "{gone:?}");
}

#[test]
fn values_beyond_what_is_kept_are_asked_for_again() {
    let mut overlay = overlay();
    let large = "v".repeat(MAX_KEPT / 2 + 1);
    for key in ["1", "2"] {
        overlay
            .found("b", key, entry(&large, 3))
            .expect("it is old");
    }
    assert!(matches!(overlay.look("b", "1"), Look::Known(Some(_))));
    assert_eq!(overlay.look("b", "2"), Look::Ask);
}

#[test]
fn a_listing_shows_own_writes_and_records_what_the_store_had() {
    let mut overlay = overlay();
    for (key, new) in [
        ("a", value("1")),
        ("d", None),
        ("f", value("1")),
        ("z", value("1")),
    ] {
        overlay.write("b", key, new).expect("it is small");
    }
    overlay.write("other", "c", value("1")).expect("small");
    let first = overlay.page("b", Some("a".into()), page(&["b", "d", "g"], true));
    let second = overlay.page("b", Some("g".into()), page(&["h"], false));
    assert_eq!(
        first,
        Ok(Listing {
            keys: keys(&["b", "f", "g"]),
            cursor: Some("g".into())
        })
    );
    assert_eq!(
        second,
        Ok(Listing {
            keys: keys(&["h", "z"]),
            cursor: None
        })
    );
    let range = |after: &str, through: Option<&str>, names: &[&str]| KvRange {
        bucket: "b".into(),
        after: Some(after.into()),
        through: through.map(str::to_owned),
        keys: keys(names),
    };
    assert_eq!(
        overlay.into_effects().ranges,
        [
            range("a", Some("g"), &["b", "d", "g"]),
            range("g", None, &["h"])
        ]
    );
}

#[test]
fn a_page_that_has_changed_since_it_was_listed_is_a_conflict() {
    let mut overlay = overlay();
    let listed = overlay.page("b", None, page(&["a", "k"], false));
    assert_eq!(listed.map(|listing| listing.keys), Ok(keys(&["a", "k"])));
    let again = overlay.page("b", None, page(&["a", "k"], false));
    assert!(again.is_ok(), "nothing has changed");
    let changed = overlay.page("b", None, page(&["a"], false));
    let conflict = Stop::Entries(KvProblem::Conflict { at: at("k") });
    assert_eq!(changed, Err(conflict));
    assert_eq!(overlay.into_effects().ranges.len(), 1);
}

#[test]
fn a_value_over_its_limit_is_refused_and_changes_nothing() {
    let limits = EffectLimits {
        kv_value: 3,
        ..EffectLimits::default()
    };
    let mut overlay = with(limits, 0);
    overlay.write("b", "k", value("old")).expect("exactly it");
    let refusal = refused(overlay.write("b", "k", value("four")));
    assert_eq!(refusal, Refusal::Value { limit: 3, asked: 4 });
    assert_eq!(overlay.look("b", "k"), Look::Known(value("old")));
}

#[test]
fn writes_count_once_for_each_key_and_have_a_limit_together() {
    let limits = EffectLimits {
        kv_writes: 10,
        ..EffectLimits::default()
    };
    let mut overlay = with(limits, 0);
    for _ in 0..100 {
        overlay.write("b", "k", value("1234")).expect("5 bytes");
    }
    overlay.write("b", "l", value("1234")).expect("10 bytes");
    let refusal = refused(overlay.write("b", "m", None));
    assert_eq!(
        refusal,
        Refusal::Writes {
            limit: 10,
            asked: 11
        }
    );
    overlay.write("b", "k", None).expect("less than before");
    overlay.write("b", "m", None).expect("there is room again");
}

#[test]
fn a_full_plugin_may_replace_and_delete_but_not_add() {
    let limits = EffectLimits {
        kv_total: 100,
        kv_writes: 50,
        ..EffectLimits::default()
    };
    assert!(!with(limits, 50).needs_size("b", "k"), "it can't get full");
    let mut overlay = with(limits, 98);
    assert!(overlay.needs_size("b", "k"));
    overlay
        .sized("b", "k", entry("12345", 9).as_ref())
        .expect("a key");
    overlay.sized("b", "new", None).expect("a key");
    assert!(!overlay.needs_size("b", "k"));
    overlay
        .write("b", "k", value("1234567"))
        .expect("100 in all");
    let refusal = refused(overlay.write("b", "new", value("")));
    assert_eq!(
        refusal,
        Refusal::Total {
            limit: 100,
            asked: 104
        }
    );
    overlay
        .write("b", "k", None)
        .expect("deleting is always fine");
    overlay
        .write("b", "new", value("12345"))
        .expect("100 in all");
    assert_eq!(overlay.into_effects().reads, [], "sizes are no reads");
}

#[test]
fn a_flood_of_keys_ends_the_attempt() {
    let limits = EffectLimits {
        kv_keys: 4,
        ..EffectLimits::default()
    };
    let mut overlay = with(limits, 0);
    overlay.found("b", "1", None).expect("the first");
    overlay
        .page("b", None, page(&["1", "2"], false))
        .expect("a page counts as one");
    let stop = overlay.found("b", "3", None).expect_err("the fifth");
    assert_eq!(stop, Stop::Keys { limit: 4, asked: 5 });
    assert!(overlay.found("b", "1", None).is_ok(), "it is known");
}

#[test]
fn a_flood_of_written_keys_ends_the_attempt() {
    let limits = EffectLimits {
        kv_written: 2,
        ..EffectLimits::default()
    };
    let mut overlay = with(limits, 0);
    overlay.found("b", "0", None).expect("a read is no write");
    overlay.write("b", "1", value("x")).expect("the first");
    overlay.write("b", "1", None).expect("it is the same key");
    overlay.write("b", "2", None).expect("the second");
    let trouble = overlay.write("b", "3", value("x")).expect_err("the third");
    let Trouble::Stop(stop) = trouble else {
        panic!("{trouble:?}");
    };
    assert_eq!(stop, Stop::Written { limit: 2, asked: 3 });
}

#[derive(Clone, Debug)]
enum Op {
    Get(u8),
    Set(u8, u8),
    Delete(u8),
    ListAll,
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0_u8..12;
    prop_oneof![
        key.clone().prop_map(Op::Get),
        (key.clone(), any::<u8>()).prop_map(|(key, value)| Op::Set(key, value)),
        key.prop_map(Op::Delete),
        Just(Op::ListAll),
    ]
}

fn name(key: u8) -> String {
    format!("{key:02}")
}

/// A store's page, of three keys at most.
fn stored_page(base: &BTreeMap<String, String>, after: Option<&str>) -> KvPage {
    let above = |key: &&String| after.is_none_or(|after| key.as_str() > after);
    let keys: Vec<_> = base.keys().filter(above).take(4).cloned().collect();
    KvPage {
        more: keys.len() > 3,
        keys: keys
            .into_iter()
            .take(3)
            .map(|key| (key, KvVersion(1)))
            .collect(),
    }
}

fn list_all(overlay: &mut Overlay, base: &BTreeMap<String, String>) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = stored_page(base, after.as_deref());
        let listing = overlay.page("b", after, page).expect("nothing changes");
        all.extend(listing.keys);
        after = listing.cursor;
        if after.is_none() {
            return all;
        }
    }
}

proptest! {
    /// Whatever a handler does, it sees what a plain map with its writes would
    /// show, and what is to be committed turns the store into that map.
    #[test]
    fn it_behaves_like_a_map_of_its_own(
        stored in proptest::collection::btree_map(0_u8..12, any::<u8>(), 0..10),
        ops in proptest::collection::vec(op(), 0..40),
    ) {
        let base: BTreeMap<_, _> = stored
            .into_iter()
            .map(|(key, value)| (name(key), value.to_string()))
            .collect();
        let mut model = base.clone();
        let mut overlay = overlay();
        for op in ops {
            match op {
                Op::Get(key) => {
                    let key = name(key);
                    let seen = match overlay.look("b", &key) {
                        Look::Known(value) => value,
                        Look::Ask => {
                            let stored = base.get(&key).and_then(|value| entry(value, 1));
                            overlay.found("b", &key, stored).expect("it is old")
                        }
                    };
                    prop_assert_eq!(seen, model.get(&key).and_then(|text| value(text)));
                }
                Op::Set(key, new) => {
                    let new = new.to_string();
                    overlay.write("b", &name(key), value(&new)).expect("it is small");
                    model.insert(name(key), new);
                }
                Op::Delete(key) => {
                    overlay.write("b", &name(key), None).expect("it is small");
                    model.remove(&name(key));
                }
                Op::ListAll => {
                    let all = list_all(&mut overlay, &base);
                    prop_assert_eq!(all, model.keys().cloned().collect::<Vec<_>>());
                }
            }
        }
        let effects = overlay.into_effects();
        for (at, version) in &effects.reads {
            prop_assert_eq!(version.is_some(), base.contains_key(&at.key));
        }
        let mut committed: BTreeMap<_, _> =
            base.into_iter().map(|(key, text)| (key, value(&text))).collect();
        for write in effects.writes {
            committed.insert(write.at.key, write.value);
        }
        committed.retain(|_, value| value.is_some());
        let model: BTreeMap<_, _> = model.into_iter().map(|(key, text)| (key, value(&text))).collect();
        prop_assert_eq!(committed, model);
    }
}
