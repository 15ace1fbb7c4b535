//! The check of what was read, against a simple model: inside a batch as well as
//! between two.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::journal::JournalError;
use crate::journal::sqlite::apply::{News, Op, Outcome, State};
use crate::journal::sqlite::schema;
use crate::types::effects::{KvRange, KvVersion};

/// The engine without its threads: one batch ends where the test says so.
struct Engine {
    conn: Connection,
    state: State,
    _folder: TempDir,
}

impl Engine {
    /// With plugin `a` and this many deliveries, numbered from 1.
    fn with(deliveries: usize) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let tuning = Tuning {
            unsafe_no_sync: true,
            ..Tuning::default()
        };
        let conn = schema::open_writer(&folder.path().join("file"), &tuning).expect("it opens");
        let state = State::load(&conn, &JournalOptions::default()).expect("loaded");
        let mut engine = Self {
            conn,
            state,
            _folder: folder,
        };
        engine.begin();
        engine
            .apply(&Op::Install(everything("a")))
            .expect("installed");
        for n in 0..deliveries {
            let event = at(&n.to_string(), NOW);
            engine.apply(&Op::Append(event)).expect("stored");
        }
        engine.commit();
        engine
    }

    fn begin(&self) {
        self.conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
    }

    fn commit(&self) {
        self.state.totals.save(&self.conn).expect("saved");
        self.conn.execute_batch("COMMIT").expect("committed");
    }

    fn apply(&mut self, op: &Op) -> Result<(), JournalError> {
        let answer = self.state.apply(&self.conn, op, &mut News::default());
        answer.expect("the file takes it").map(drop)
    }

    fn finish(&mut self, finish: Finish) -> Result<(), JournalError> {
        let outcome = Outcome::new(finish).expect("text");
        self.apply(&Op::Finish(Box::new(outcome)))
    }
}

#[test]
fn in_one_batch_as_in_two_one_of_two_conflicts() {
    for batches in [1, 2] {
        let mut engine = Engine::with(2);
        let changing = |id| {
            let mut finish = writing(DeliveryId(id), vec![put("k", "v")]);
            finish.effects.kv.reads = vec![(kv_key("b", "k"), None)];
            finish
        };
        engine.begin();
        engine.finish(changing(1)).expect("stored");
        if batches == 2 {
            engine.commit();
            engine.begin();
        }
        let second = engine.finish(changing(2));
        assert!(
            matches!(second, Err(JournalError::Conflict { .. })),
            "{second:?}"
        );
        engine.commit();
    }
}

/// What a step of the test does.
#[derive(Clone, Debug)]
enum Step {
    /// An attempt begins and reads.
    Read {
        reads: Vec<u8>,
        range: Option<(u8, u8)>,
    },
    /// The attempt that began this many ago, of those that run, ends.
    End {
        which: usize,
        writes: Vec<(u8, bool)>,
    },
    /// The batch ends.
    Commit,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..6_u8;
    let read = (
        proptest::collection::vec(key.clone(), 0..3),
        proptest::option::of((0..7_u8, 0..7_u8)),
    )
        .prop_map(|(reads, range)| Step::Read { reads, range });
    let end = (
        0..4_usize,
        proptest::collection::vec((key, any::<bool>()), 0..3),
    )
        .prop_map(|(which, writes)| Step::End { which, writes });
    proptest::collection::vec(
        prop_oneof![3 => read, 3 => end, 1 => Just(Step::Commit)],
        1..40,
    )
}

fn name(key: u8) -> String {
    char::from(b'a' + key).to_string()
}

/// What the model holds: the entries' versions, and the latest.
#[derive(Default)]
struct Model {
    entries: BTreeMap<String, i64>,
    version: i64,
}

impl Model {
    fn read(&self, reads: &[u8]) -> Vec<(KvKey, Option<KvVersion>)> {
        let look = |key: &u8| {
            let found = self.entries.get(&name(*key)).copied().map(KvVersion);
            (kv_key("b", &name(*key)), found)
        };
        reads.iter().map(look).collect()
    }

    /// Bound 0 stands for no bound.
    fn list(&self, (after, through): (u8, u8)) -> KvRange {
        let bound = |n: u8| n.checked_sub(1).map(name);
        let (after, through) = (bound(after), bound(through));
        let inside = |key: &&String| {
            after.as_ref().is_none_or(|after| *key > after)
                && through.as_ref().is_none_or(|through| *key <= through)
        };
        KvRange {
            bucket: "b".into(),
            keys: self.entries.keys().filter(inside).cloned().collect(),
            after,
            through,
        }
    }
}

struct Running {
    reads: Vec<u8>,
    range: Option<(u8, u8)>,
    finish: Finish,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_outcome_is_stored_exactly_if_all_that_it_read_is_still_so(steps in steps()) {
        let mut engine = Engine::with(steps.len());
        let mut model = Model::default();
        let mut running: Vec<Running> = Vec::new();
        let mut next = 1;
        engine.begin();
        for step in steps {
            match step {
                Step::Commit => {
                    engine.commit();
                    engine.begin();
                }
                Step::Read { reads, range } => {
                    let mut finish = outcome(DeliveryId(next), Next::Done);
                    next += 1;
                    finish.effects.kv.reads = model.read(&reads);
                    finish.effects.kv.ranges = range.map(|range| model.list(range)).into_iter().collect();
                    running.push(Running { reads, range, finish });
                }
                Step::End { which, writes } => {
                    if running.is_empty() {
                        continue;
                    }
                    let place = which % running.len();
                    let Running { reads, range, mut finish } = running.remove(place);
                    let same = model.read(&reads) == finish.effects.kv.reads
                        && range.map(|range| model.list(range)).as_ref() == finish.effects.kv.ranges.first();
                    let writes: BTreeMap<u8, bool> = writes.into_iter().collect();
                    finish.effects.kv.writes = writes
                        .iter()
                        .map(|(key, there)| if *there { put(&name(*key), "v") } else { delete(&name(*key)) })
                        .collect();
                    match engine.finish(finish) {
                        Ok(()) => prop_assert!(same, "stored although outdated"),
                        Err(JournalError::Conflict { .. }) => {
                            prop_assert!(!same, "refused without need");
                            continue;
                        }
                        Err(other) => return Err(TestCaseError::fail(other.to_string())),
                    }
                    if !writes.is_empty() {
                        model.version += 1;
                    }
                    for (key, there) in writes {
                        if there {
                            model.entries.insert(name(key), model.version);
                        } else {
                            model.entries.remove(&name(key));
                        }
                    }
                }
            }
        }
        engine.commit();
        let found: BTreeMap<String, i64> = engine
            .conn
            .prepare("SELECT key, version FROM kv ORDER BY key")
            .and_then(|mut all| all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .expect("read");
        prop_assert_eq!(found, model.entries);
        let (used, summed): (i64, i64) = engine
            .conn
            .query_row(
                "SELECT (SELECT kv_bytes FROM plugin),
                   (SELECT ifnull(sum(length(value) + length(key) + length(bucket)), 0) FROM kv)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .expect("read");
        prop_assert_eq!(used, summed);
    }
}
