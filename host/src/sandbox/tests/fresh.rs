//! Each attempt starts afresh: what another one left in its memory, its tables and
//! its globals is gone, however that one ended, and so is what it held.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::wit::plugin;
use super::{attempt, load, run};
use crate::outbound::client::Bounds;
use crate::outbound::tests::local_client;
use crate::sandbox::kv::{KvProblem, KvSource};
use crate::sandbox::{Attempt, AttemptLimits, EngineLimits, Failure, Sandbox, Verdict};
use crate::types::effects::{KvEntry, KvKey, KvPage, KvSnapshot};

/// A store that never answers.
#[derive(Default)]
struct Stuck {
    asked: Notify,
}

#[async_trait]
impl KvSource for Stuck {
    async fn open(&self) -> Result<KvSnapshot, KvProblem> {
        self.asked.notify_one();
        pending().await
    }

    async fn get(&self, _: &str, _: Vec<String>) -> Result<Vec<Option<KvEntry>>, KvProblem> {
        pending().await
    }

    async fn list(&self, _: &str, _: Option<String>) -> Result<KvPage, KvProblem> {
        pending().await
    }

    fn touch(&self, _: &KvKey) -> Result<(), KvProblem> {
        Ok(())
    }
}

const STORE: &str = "wasi:keyvalue/store";

/// Two pages that are there, and 30 more: far beyond what a pool sets back in place.
const PAGES: u32 = 32;

const SECRET: &str = "(i32.const 0xa5a5a5a5)";

const ITEMS: &str = "(table $table 4 1000 funcref) (global $global (mut i32) (i32.const 0))
    (func $known) (elem declare func $known)";

/// A handler that writes the secret wherever it can, opens a bucket, and ends in
/// its way.
fn leaves(end: &str) -> Vec<u8> {
    let imports = [
        (STORE, "open", "$open (param i32 i32 i32)"),
        (STORE, "[method]bucket.get", "$get (param i32 i32 i32 i32)"),
    ];
    let body = format!(
        "(call $open (i32.const 1024) (i32.const 4) (i32.const 4096))
        (local.set $n (i32.load (i32.const 4100)))
        (drop (memory.grow (i32.const 30)))
        (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const {}))
        (memory.fill (i32.const 0) (i32.const 0) (i32.const 1024))
        (drop (table.grow $table (ref.func $known) (i32.const 900)))
        (table.fill $table (i32.const 0) (ref.func $known) (i32.const 904))
        (global.set $global {SECRET})
        {end} (i32.const 16)",
        PAGES << 16
    );
    plugin(&imports, ITEMS, &body)
}

/// A handler that traps if it finds anything of that.
fn looks() -> Vec<u8> {
    plugin(&[], ITEMS, &format!("{} (i32.const 16)", look()))
}

fn look() -> String {
    format!(
        "(drop (memory.grow (i32.const 30)))
        (loop $word
          (if (i32.eq (i32.load (local.get $n)) {SECRET}) (then unreachable))
          (local.set $n (i32.add (local.get $n) (i32.const 4)))
          (br_if $word (i32.lt_u (local.get $n) (i32.const {}))))
        (drop (table.grow $table (ref.null func) (i32.const 900)))
        (local.set $n (i32.const 0))
        (loop $element
          (if (i32.eqz (ref.is_null (table.get $table (local.get $n)))) (then unreachable))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $element (i32.lt_u (local.get $n) (i32.const 904))))
        (if (global.get $global) (then unreachable))",
        PAGES << 16
    )
}

/// Asks the store that never answers.
const BLOCK: &str = "(call $get (local.get $n) (i32.const 16) (i32.const 1) (i32.const 4096))";

const LOOP: &str = "(loop $again (br $again))";

/// How an attempt ends, its CPU and wall-clock limits, and what its verdict must be.
type End = (&'static str, [Duration; 2], fn(&Verdict) -> bool);

fn is_cpu(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(Failure::Cpu(_)))
}

fn is_wall(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(Failure::Wall(_)))
}

fn is_trap(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(Failure::Trap(_)))
}

fn is_done(verdict: &Verdict) -> bool {
    *verdict == Verdict::Done
}

#[tokio::test]
async fn nothing_of_an_attempt_is_left_for_the_next_one_however_it_ended() {
    // One slot of each pool, so that the next attempt gets what this one had.
    let limits = EngineLimits {
        attempts: 1,
        ..EngineLimits::default()
    };
    let sandbox = Sandbox::new(limits, local_client(Bounds::default())).expect("it starts");
    let looks = load(&sandbox, &looks());
    let ms = Duration::from_millis;
    let ends: [End; 5] = [
        ("", [ms(9000), ms(9000)], is_done),
        ("unreachable", [ms(9000), ms(9000)], is_trap),
        (LOOP, [ms(30), ms(9000)], is_cpu),
        (LOOP, [ms(9000), ms(60)], is_wall),
        (BLOCK, [ms(9000), ms(60)], is_wall),
    ];
    for (end, [cpu, wall], ended) in ends {
        let leaves = load(&sandbox, &leaves(end));
        let kv = Arc::new(Stuck::default());
        let limits = AttemptLimits {
            cpu,
            wall,
            ..AttemptLimits::default()
        };
        let with_kv = |limits| Attempt {
            kv: kv.clone(),
            ..attempt(limits)
        };
        let report = sandbox.run(&leaves, with_kv(limits)).await;
        assert!(ended(&report.verdict), "{end}: {:?}", report.verdict);
        assert!(report.peak_memory > u64::from(PAGES) << 16);
        assert_eq!(Arc::strong_count(&kv), 1, "{end}: it is held");
        for _ in 0..3 {
            let report = sandbox.run(&looks, attempt(AttemptLimits::default())).await;
            assert_eq!(report.verdict, Verdict::Done, "after {end:?}");
        }
    }
}

#[tokio::test]
async fn nothing_of_an_attempt_is_left_when_it_is_dropped() {
    let limits = EngineLimits {
        attempts: 1,
        ..EngineLimits::default()
    };
    let sandbox = Sandbox::new(limits, local_client(Bounds::default())).expect("it starts");
    let (leaves, looks) = (load(&sandbox, &leaves(BLOCK)), load(&sandbox, &looks()));
    let kv = Arc::new(Stuck::default());
    let stuck = Attempt {
        kv: kv.clone(),
        ..attempt(AttemptLimits::default())
    };
    tokio::select! {
        report = sandbox.run(&leaves, stuck) => panic!("{report:?}"),
        () = kv.asked.notified() => {}
    }
    assert_eq!(Arc::strong_count(&kv), 1, "it is held");
    let report = sandbox.run(&looks, attempt(AttemptLimits::default())).await;
    assert_eq!(report.verdict, Verdict::Done);
}

/// What is looked for is found where it is.
#[tokio::test]
async fn an_attempt_finds_what_it_has_left_itself() {
    let look = format!("(local.set $n (i32.const 0)) {}", look());
    let report = run(&leaves(&look), AttemptLimits::default()).await;
    assert!(is_trap(&report.verdict), "{:?}", report.verdict);
}
