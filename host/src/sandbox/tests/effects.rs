//! Handlers that read, write, count and send.

use std::sync::Arc;

use hookbox_testkit::wat::{self, World};

use super::store::Stored;
use super::{attempt, load, sandbox};
use crate::sandbox::{
    Attempt, AttemptLimits, EffectLimits, Failure, KvProblem, KvSource, Report, Verdict,
};
use crate::types::Effects;
use crate::types::effects::{CounterAdd, KvKey, KvVersion, KvWrite};

/// Where each text lies: `$open` opens the bucket `b`, `$say` logs a text, and
/// `$fail` logs the error of a call whose result is at 2048.
const PRELUDE: &str = r#"
  (memory (export "memory") 4)
  (global $bump (mut i32) (i32.const 131072))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $bump) (i32.const 15)) (i32.const -16)))
    (global.set $bump (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 1024) "b")
  (data (i32.const 1040) "k")
  (data (i32.const 1056) "value")
  (data (i32.const 1072) "POST")
  (data (i32.const 1088) "https://example.com/in")
  (func $say (param $at i32) (param $length i32)
    (call $log (i32.const 2) (i32.const 0) (i32.const 0) (local.get $at) (local.get $length)))
  (func $open (result i32)
    (call $store_open (i32.const 1024) (i32.const 1) (i32.const 2048))
    (i32.load (i32.const 2052)))
  (func $set (param $bucket i32) (param $length i32)
    (call $store_set (local.get $bucket) (i32.const 1040) (i32.const 1)
      (i32.const 1056) (local.get $length) (i32.const 2048)))
  (func $get (param $bucket i32)
    (call $store_get (local.get $bucket) (i32.const 1040) (i32.const 1) (i32.const 2048)))
  (func $increment (param $bucket i32) (param $delta i64)
    (call $atomics_increment (local.get $bucket) (i32.const 1040) (i32.const 1)
      (local.get $delta) (i32.const 2048)))
  (func $say_result (call $say (i32.load (i32.const 2056)) (i32.load (i32.const 2060))))
"#;

const IMPORTS: &str = r#"
  (import "wasi:logging/logging@0.1.0-draft" "log" (func $log (param i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "open" (func $store_open (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.get"
    (func $store_get (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.set"
    (func $store_set (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.list-keys"
    (func $store_list (param i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft2" "increment"
    (func $atomics_increment (param i32 i32 i32 i64 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft2" "[static]cas.new"
    (func $cas_new (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft2" "swap" (func $swap (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/batch@0.2.0-draft2" "get-many"
    (func $get_many (param i32 i32 i32 i32)))
  (import "hookbox:plugin/counters@0.1.0" "add" (func $add (param i32 i32 i64)))
  (import "hookbox:plugin/outbox@0.1.0" "send"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
"#;

/// A handler for `chat.push` that runs `body`; 16 is the address of its answer.
fn plugin(body: &str) -> Vec<u8> {
    let module = format!(
        r#"(module {IMPORTS} {PRELUDE}
  (func (export "hookbox:plugin/on-chat-push@0.1.0#handle") (param i32) (result i32)
    (local $bucket i32) (local $number i32)
    {body}))"#
    );
    wat::component(World::ChatPush, &module)
}

async fn run(body: &str, stored: Stored, effects: EffectLimits) -> Report {
    run_on(body, Arc::new(stored), effects).await
}

async fn run_on(body: &str, kv: Arc<dyn KvSource>, effects: EffectLimits) -> Report {
    let sandbox = sandbox();
    let program = load(&sandbox, &plugin(body));
    let limits = AttemptLimits {
        effects,
        ..AttemptLimits::default()
    };
    let attempt = Attempt {
        kv,
        ..attempt(limits)
    };
    sandbox.run(&program, attempt).await
}

fn messages(report: &Report) -> Vec<&str> {
    report.log.iter().map(|line| &*line.message).collect()
}

fn at(key: &str) -> KvKey {
    KvKey {
        bucket: "b".into(),
        key: key.into(),
    }
}

#[tokio::test]
async fn a_handler_reads_what_it_wrote() {
    let body = "(local.set $bucket (call $open))
        (call $set (local.get $bucket) (i32.const 5))
        (call $get (local.get $bucket)) (call $say_result)
        (i32.const 16)";
    let stored = Arc::new(Stored::with("k", "old", 3));
    let report = run_on(body, stored.clone(), EffectLimits::default()).await;
    assert_eq!(report.verdict, Verdict::Done);
    assert_eq!(messages(&report), ["value"]);
    let (at, value) = (at("k"), Some("value".into()));
    assert_eq!(report.effects.kv.writes, [KvWrite { at, value }]);
    assert_eq!(report.effects.kv.reads, []);
    assert_eq!(stored.touched(), ["k"]);
}

#[tokio::test]
async fn what_the_store_had_is_recorded_with_its_version() {
    let body = "(call $get (call $open)) (call $say_result) (i32.const 16)";
    let report = run(body, Stored::with("k", "old", 3), EffectLimits::default()).await;
    assert_eq!(messages(&report), ["old"]);
    assert_eq!(report.effects.kv.reads, [(at("k"), Some(KvVersion(3)))]);
    let report = run(body, Stored::default(), EffectLimits::default()).await;
    assert_eq!(report.effects.kv.reads, [(at("k"), None)]);
}

#[tokio::test]
async fn a_newer_entry_ends_the_attempt_as_a_conflict() {
    let body = "(call $get (call $open)) (call $say (i32.const 1056) (i32.const 5)) (i32.const 16)";
    let report = run(body, Stored::with("k", "new", 6), EffectLimits::default()).await;
    assert_eq!(report.verdict, Verdict::Conflict { at: at("k") });
    assert!(report.log.is_empty(), "the handler went on");
    assert_eq!(report.effects, Effects::default());
}

#[tokio::test]
async fn a_write_out_of_turn_ends_the_attempt_as_a_conflict() {
    let body = "(call $set (call $open) (i32.const 5)) (i32.const 16)";
    let stored = Stored {
        contended: Some(at("k")),
        ..Stored::default()
    };
    let report = run(body, stored, EffectLimits::default()).await;
    assert_eq!(report.verdict, Verdict::Conflict { at: at("k") });
}

#[tokio::test]
async fn a_store_that_cant_be_read_is_no_trap() {
    let body = "(call $get (call $open)) (i32.const 16)";
    let stored = Stored {
        broken: Some(KvProblem::Unavailable("the disk is gone".into())),
        ..Stored::default()
    };
    let report = run(body, stored, EffectLimits::default()).await;
    let Verdict::Failed(Failure::Other(why)) = report.verdict else {
        panic!("{:?}", report.verdict);
    };
    assert_eq!(why, "key-value can't be read now: the disk is gone");
}

#[tokio::test]
async fn a_failed_handler_keeps_nothing_but_its_reads_count() {
    let body = "(local.set $bucket (call $open))
        (call $get (local.get $bucket))
        (call $set (local.get $bucket) (i32.const 5))
        (call $add (i32.const 1040) (i32.const 1) (i64.const 1))
        unreachable";
    let report = run(body, Stored::with("k", "old", 3), EffectLimits::default()).await;
    assert!(matches!(report.verdict, Verdict::Failed(Failure::Trap(_))));
    assert_eq!(report.effects.kv.reads, [(at("k"), Some(KvVersion(3)))]);
    assert_eq!(report.effects.kv.writes, []);
    assert_eq!(report.effects.counters, []);
}

#[tokio::test]
async fn a_value_over_the_limit_is_an_error_that_names_it() {
    let body = "(call $set (call $open) (i32.const 5))
        (if (i32.load8_u (i32.const 2048)) (then (call $say_result)))
        (i32.const 16)";
    let limits = EffectLimits {
        kv_value: 4,
        ..EffectLimits::default()
    };
    let report = run(body, Stored::default(), limits).await;
    assert_eq!(report.verdict, Verdict::Done);
    assert_eq!(
        messages(&report),
        ["a value has a limit of 4 bytes, and this one has 5"]
    );
    assert_eq!(report.effects, Effects::default());
}

#[tokio::test]
async fn a_flood_of_keys_ends_the_attempt_at_its_limit() {
    let body = "(local.set $bucket (call $open))
        (loop $again
          (local.set $number (i32.add (local.get $number) (i32.const 1)))
          (i32.store (i32.const 4096)
            (i32.or (i32.const 0x20202020) (i32.and (local.get $number) (i32.const 0x0f0f0f0f))))
          (call $store_get (local.get $bucket) (i32.const 4096) (i32.const 4) (i32.const 2048))
          (br $again))
        (i32.const 16)";
    let limits = EffectLimits {
        kv_keys: 10,
        ..EffectLimits::default()
    };
    let report = run(body, Stored::default(), limits).await;
    let Verdict::Failed(Failure::Limit(why)) = report.verdict else {
        panic!("{:?}", report.verdict);
    };
    assert_eq!(
        why,
        "key-value limit of 10 keys exceeded: the attempt reads, lists or writes 11 keys"
    );
}

#[tokio::test]
async fn an_increment_reads_and_writes_digits() {
    let body = "(call $increment (call $open) (i64.const -2))
        (if (i64.ne (i64.load (i32.const 2056)) (i64.const 40)) (then unreachable))
        (i32.const 16)";
    let stored = Arc::new(Stored::with("k", "42", 3));
    let report = run_on(body, stored.clone(), EffectLimits::default()).await;
    assert_eq!(report.verdict, Verdict::Done);
    assert_eq!(stored.touched(), ["k"], "once, for both");
    assert_eq!(report.effects.kv.reads, [(at("k"), Some(KvVersion(3)))]);
    let (at, value) = (at("k"), Some("40".into()));
    assert_eq!(report.effects.kv.writes, [KvWrite { at, value }]);
}

#[tokio::test]
async fn an_increment_of_no_number_or_past_the_range_is_an_error() {
    // Of a result with an s64, the error stands at 8: tag, pointer, length.
    let body = "(call $increment (call $open) (i64.const 1))
        (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then unreachable))
        (call $say (i32.load (i32.const 2060)) (i32.load (i32.const 2064)))
        (i32.const 16)";
    for (value, said) in [
        ("4.5", "the value of \"k\" is no decimal number of 64 bits"),
        (
            "9223372036854775807",
            "\"k\" is 9223372036854775807, and with 1 it would leave the range of 64 bits",
        ),
    ] {
        let report = run(body, Stored::with("k", value, 3), EffectLimits::default()).await;
        assert_eq!(messages(&report), [said]);
        assert_eq!(report.effects.kv.writes, []);
    }
}

#[tokio::test]
async fn a_swap_succeeds_once_and_fails_after_a_write_of_its_own() {
    // cas-error stands at 4: 1 is cas-failed, with the new handle at 8.
    let body = "(local.set $bucket (call $open))
        (call $cas_new (local.get $bucket) (i32.const 1040) (i32.const 1) (i32.const 2048))
        (local.set $number (i32.load (i32.const 2052)))
        (call $set (local.get $bucket) (i32.const 3))
        (call $swap (local.get $number) (i32.const 1056) (i32.const 5) (i32.const 2048))
        (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 1)) (then unreachable))
        (call $swap (i32.load (i32.const 2056)) (i32.const 1056) (i32.const 5) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048)) (then unreachable))
        (i32.const 16)";
    let report = run(body, Stored::default(), EffectLimits::default()).await;
    assert_eq!(report.verdict, Verdict::Done);
    let (at, value) = (at("k"), Some("value".into()));
    assert_eq!(report.effects.kv.writes, [KvWrite { at, value }]);
}

#[tokio::test]
async fn several_keys_are_read_in_one_call() {
    // Two keys at 4096: "k" twice. The answer's second value is at 20 + 12.
    let body = "(i32.store (i32.const 4096) (i32.const 1040)) (i32.store (i32.const 4100) (i32.const 1))
        (i32.store (i32.const 4104) (i32.const 1040)) (i32.store (i32.const 4108) (i32.const 1))
        (call $get_many (call $open) (i32.const 4096) (i32.const 2) (i32.const 2048))
        (local.set $number (i32.add (i32.load (i32.const 2052)) (i32.const 20)))
        (call $say (i32.load offset=12 (local.get $number)) (i32.load offset=16 (local.get $number)))
        (i32.const 16)";
    let report = run(body, Stored::with("k", "both", 3), EffectLimits::default()).await;
    assert_eq!(messages(&report), ["both"]);
    assert_eq!(report.effects.kv.reads, [(at("k"), Some(KvVersion(3)))]);
}

#[tokio::test]
async fn a_listing_goes_on_from_its_cursor_and_shows_own_writes() {
    // key-response stands at 4: keys, then the cursor's tag at 12 and text at 16.
    let body = "(local.set $bucket (call $open))
        (call $set (local.get $bucket) (i32.const 5))
        (call $store_list (local.get $bucket) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
        (if (i32.ne (i32.load8_u (i32.const 2060)) (i32.const 1)) (then unreachable))
        (call $store_list (local.get $bucket) (i32.const 1)
          (i32.load (i32.const 2064)) (i32.load (i32.const 2068)) (i32.const 2048))
        (if (i32.load8_u (i32.const 2060)) (then unreachable))
        (if (i32.ne (i32.load (i32.const 2056)) (i32.const 2)) (then unreachable))
        (local.set $number (i32.load (i32.const 2052)))
        (call $say (i32.load (local.get $number)) (i32.load offset=4 (local.get $number)))
        (call $say (i32.load offset=8 (local.get $number)) (i32.load offset=12 (local.get $number)))
        (i32.const 16)";
    let mut stored = Stored::with("a", "1", 1);
    for key in ["c", "d"] {
        stored.entries.extend(Stored::with(key, "1", 1).entries);
    }
    let report = run(body, stored, EffectLimits::default()).await;
    assert_eq!(report.verdict, Verdict::Done);
    assert_eq!(messages(&report), ["d", "k"]);
    let ranges = &report.effects.kv.ranges;
    let seen: Vec<_> = ranges
        .iter()
        .map(|range| {
            (
                range.after.as_deref(),
                range.through.as_deref(),
                range.keys.join(" "),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (None, Some("c"), "a c".to_owned()),
            (Some("c"), None, "d".to_owned())
        ]
    );
}

#[tokio::test]
async fn handles_have_a_limit_that_the_handler_is_told() {
    let body = "(loop $again
          (local.set $bucket (call $open))
          (br_if $again (i32.eqz (i32.load8_u (i32.const 2048)))))
        (call $say_result)
        (i32.const 16)";
    let report = run(body, Stored::default(), EffectLimits::default()).await;
    assert_eq!(
        messages(&report),
        ["an attempt has a limit of 128 buckets and cas handles: drop some"]
    );
}

#[tokio::test]
async fn a_counter_is_in_the_report_and_a_nameless_one_ends_the_attempt() {
    let body = "(call $add (i32.const 1040) (i32.const 1) (i64.const 2))
        (call $add (i32.const 1040) (i32.const 1) (i64.const 3)) (i32.const 16)";
    let report = run(body, Stored::default(), EffectLimits::default()).await;
    let (name, delta) = ("k".into(), 5);
    assert_eq!(report.effects.counters, [CounterAdd { name, delta }]);
    let nameless = "(call $add (i32.const 1040) (i32.const 0) (i64.const 2)) (i32.const 16)";
    let report = run(nameless, Stored::default(), EffectLimits::default()).await;
    assert!(
        matches!(report.verdict, Verdict::Failed(Failure::Limit(_))),
        "{:?}",
        report.verdict
    );
}

#[tokio::test]
async fn a_request_that_the_manifest_doesnt_allow_is_denied_by_name() {
    let body = "(call $send (i32.const 1072) (i32.const 4) (i32.const 1088) (i32.const 22)
          (i32.const 0) (i32.const 0) (i32.const 1056) (i32.const 5) (i32.const 2048))
        (if (i32.load8_u (i32.const 2052)) (then unreachable))
        (call $say_result)
        (i32.const 16)";
    let report = run(body, Stored::default(), EffectLimits::default()).await;
    assert_eq!(report.verdict, Verdict::Done);
    let said = messages(&report).join("");
    assert!(said.contains("POST https://example.com"), "{said}");
    assert_eq!(report.effects.outbox, []);
}

#[tokio::test]
async fn a_malformed_request_is_invalid() {
    let body = "(call $send (i32.const 1072) (i32.const 4) (i32.const 1056) (i32.const 5)
          (i32.const 0) (i32.const 0) (i32.const 1056) (i32.const 5) (i32.const 2048))
        (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 1)) (then unreachable))
        (call $say_result)
        (i32.const 16)";
    let report = run(body, Stored::default(), EffectLimits::default()).await;
    let said = messages(&report).join("");
    assert!(said.contains("not absolute"), "{said}");
}
