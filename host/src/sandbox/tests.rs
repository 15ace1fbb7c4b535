//! Attempts of real components.

mod effects;
mod fresh;
mod http;
mod limits;
mod stack;
pub(super) mod store;
mod wasi;
mod wit;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookbox_testkit::wat::{self, World};

use self::store::Stored;
use super::{
    Attempt, AttemptLimits, EngineLimits, Failure, Program, Report, Sandbox, Verdict, compile,
};
use crate::outbound::client::Bounds;
use crate::outbound::tests::local_client;
use crate::types::event::Event;
use crate::types::payload::{ChatPush, Role};
use crate::types::{DeliveryId, EndpointName, EventId, Payload, PluginName, UnixMicros};

fn sandbox() -> Sandbox {
    let limits = EngineLimits {
        attempts: 4,
        ..EngineLimits::default()
    };
    let client = local_client(Bounds::default());
    Sandbox::new(limits, client).expect("the engine starts")
}

fn load(sandbox: &Sandbox, component: &[u8]) -> Program {
    let code =
        compile::compile(&compile::engine().expect("it starts"), component).expect("it compiles");
    sandbox.load(&code).expect("it fits")
}

fn attempt(limits: AttemptLimits) -> Attempt {
    let payload = Payload::ChatPush(ChatPush {
        role: Role::User,
        message: "hello".into(),
        session_id: "s".into(),
        timestamp: 1.5,
        raw: "{}".into(),
    });
    Attempt {
        event: Arc::new(Event {
            id: EventId::generate(),
            endpoint: EndpointName::default_endpoint(),
            event_type: "chat.push".into(),
            agent_id: None,
            session_id: Some("s".into()),
            occurred_at: None,
            received_at: UnixMicros(0),
            test_header: false,
            body: Bytes::from_static(b"{}"),
            payload,
        }),
        delivery: DeliveryId(1),
        plugin: PluginName::new("test").expect("a good name"),
        number: 1,
        manual: false,
        limits,
        config: Arc::new(BTreeMap::new()),
        secrets: Arc::default(),
        kv: Arc::new(Stored::default()),
        grants: Arc::default(),
    }
}

async fn run(component: &[u8], limits: AttemptLimits) -> Report {
    let sandbox = sandbox();
    let program = load(&sandbox, component);
    sandbox.run(&program, attempt(limits)).await
}

fn failure(report: Report) -> Failure {
    match report.verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_handler_logs_and_succeeds() {
    let report = run(
        &wat::logs(World::ChatPush, "hi there"),
        AttemptLimits::default(),
    )
    .await;
    assert_eq!(report.verdict, Verdict::Done);
    assert_eq!(report.log[0].message, "hi there");
    assert!(report.cpu > Duration::ZERO);
    assert!(report.peak_memory >= 128 << 10);
}

#[tokio::test]
async fn an_endless_loop_meets_its_cpu_limit() {
    let limits = AttemptLimits {
        cpu: Duration::from_millis(20),
        ..AttemptLimits::default()
    };
    let report = run(&wat::loops(World::ChatPush), limits).await;
    assert!(report.cpu >= limits.cpu);
    assert!(matches!(failure(report), Failure::Cpu(_)));
}

#[tokio::test]
async fn the_wall_clock_ends_an_attempt_that_has_cpu_time_left() {
    let limits = AttemptLimits {
        cpu: Duration::from_secs(60),
        wall: Duration::from_millis(30),
        ..AttemptLimits::default()
    };
    let report = run(&wat::loops(World::ChatPush), limits).await;
    assert_eq!(failure(report), Failure::Wall(limits.wall));
}

#[tokio::test]
async fn growth_past_the_memory_limit_names_it() {
    let report = run(&wat::grows(World::ChatPush), AttemptLimits::default()).await;
    let Failure::Memory(exceeded) = failure(report) else {
        panic!("another failure");
    };
    assert_eq!(exceeded.limit, 64 << 20);
    assert!(exceeded.asked > 4_000_000_000);
}

#[tokio::test]
async fn recursion_meets_the_stack_limit() {
    let report = run(&wat::recurses(World::ChatPush), AttemptLimits::default()).await;
    assert_eq!(failure(report), Failure::StackOverflow);
}

#[tokio::test]
async fn a_trap_names_its_kind() {
    let report = run(&wat::traps(World::ChatPush), AttemptLimits::default()).await;
    let Failure::Trap(what) = failure(report) else {
        panic!("another failure");
    };
    assert!(what.contains("unreachable"), "{what}");
}

#[tokio::test]
async fn nothing_is_left_in_memory_for_the_next_attempt() {
    // Traps if the word at 2048 isn't zero, then writes it.
    let body = "(if (i32.load (i32.const 2048)) (then unreachable))
        (i32.store (i32.const 2048) (i32.const 1)) (i32.const 16)";
    let sandbox = sandbox();
    let program = load(&sandbox, &wat::plugin(World::ChatPush, "", body));
    for _ in 0..50 {
        let report = sandbox
            .run(&program, attempt(AttemptLimits::default()))
            .await;
        assert_eq!(report.verdict, Verdict::Done);
    }
}

#[tokio::test]
async fn more_attempts_than_the_pools_hold_get_no_room_and_harm_nobody() {
    let sandbox = sandbox();
    let program = load(&sandbox, &wat::loops(World::ChatPush));
    let limits = AttemptLimits {
        cpu: Duration::from_millis(100),
        ..AttemptLimits::default()
    };
    let reports = (0..12).map(|_| sandbox.run(&program, attempt(limits)));
    let reports = futures_util::future::join_all(reports).await;
    let no_room = reports
        .iter()
        .filter(|report| report.verdict == Verdict::NoRoom);
    assert_eq!(no_room.count(), 8);
}

/// A handler that rejects with `length` bytes, all of them newlines.
fn rejects(length: u32) -> Vec<u8> {
    // The result: err, reject, and the text's pointer and length.
    let body = format!(
        "(drop (memory.grow (i32.const 400)))
        (memory.fill (i32.const 131072) (i32.const 10) (i32.const {length}))
        (i32.store (i32.const 16) (i32.const 1))
        (i32.store (i32.const 24) (i32.const 1))
        (i32.store (i32.const 32) (i32.const 131072))
        (i32.store (i32.const 36) (i32.const {length}))
        (i32.const 16)"
    );
    wat::plugin(World::ChatPush, "", &body)
}

#[tokio::test]
async fn a_handlers_reason_is_cut_and_cant_fake_a_log_line() {
    let report = run(&rejects(1 << 20), AttemptLimits::default()).await;
    let Verdict::Reject { reason } = report.verdict else {
        panic!("{:?}", report.verdict);
    };
    assert!(reason.len() < 3 << 10, "{} bytes", reason.len());
    assert!(reason.starts_with("\\u{a}\\u{a}"), "{reason}");
    assert!(reason.ends_with("(cut: 1048576 bytes in all)"), "{reason}");
}

#[tokio::test]
async fn a_handler_cant_hand_over_more_than_the_host_takes() {
    let length = 20 << 20;
    let logs = format!(
        "(drop (memory.grow (i32.const 400)))
        (memory.fill (i32.const 131072) (i32.const 65) (i32.const {length}))
        (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 131072) (i32.const {length}))
        (i32.const 16)"
    );
    for component in [wat::plugin(World::ChatPush, "", &logs), rejects(length)] {
        let why = failure(run(&component, AttemptLimits::default()).await).to_string();
        assert!(
            why.starts_with("host-data limit of 16777216 bytes exceeded"),
            "{why}"
        );
    }
}

/// One component may need more of a pool than the share of one attempt.
#[tokio::test]
async fn a_component_of_many_instances_runs_where_one_attempt_may() {
    let engine = super::engine::runner(EngineLimits {
        attempts: 1,
        ..EngineLimits::default()
    })
    .expect("the engine starts");
    let parts = |module: &str, count: usize| {
        let instances = "(core instance (instantiate $m))".repeat(count);
        ::wat::parse_str(format!("(component (core module $m {module}) {instances})"))
            .expect("good WebAssembly text")
    };
    for bytes in [
        parts("", 60),
        parts("(memory 1)", 4),
        parts("(table 1 funcref)", 8),
    ] {
        let component =
            wasmtime::component::Component::new(&engine, bytes).expect("a good component");
        let mut store = wasmtime::Store::new(&engine, ());
        wasmtime::component::Linker::new(&engine)
            .instantiate_async(&mut store, &component)
            .await
            .expect("there is room for one");
    }
}
