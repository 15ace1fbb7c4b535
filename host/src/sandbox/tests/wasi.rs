//! WASI as a component sees it: nothing of the host.

use std::time::Duration;

use super::wit::plugin;
use super::{failure, run};
use crate::sandbox::{AttemptLimits, Failure, Verdict};

/// Traps unless the condition holds.
fn demand(condition: &str) -> String {
    format!("(if (i32.eqz {condition}) (then unreachable))\n")
}

async fn verdict(imports: &[(&str, &str, &str)], body: &str) -> Verdict {
    let component = plugin(imports, "", &format!("{body} (i32.const 16)"));
    run(&component, AttemptLimits::default()).await.verdict
}

#[tokio::test]
async fn there_are_no_variables_arguments_folders_or_terminals() {
    let mut body = String::new();
    let mut imports = Vec::new();
    for (interface, function) in [
        ("wasi:cli/environment", "get-environment"),
        ("wasi:cli/environment", "get-arguments"),
        ("wasi:cli/environment", "initial-cwd"),
        ("wasi:filesystem/preopens", "get-directories"),
        ("wasi:cli/terminal-stdin", "get-terminal-stdin"),
        ("wasi:cli/terminal-stdout", "get-terminal-stdout"),
    ] {
        let name = format!("$f{}", imports.len());
        body.push_str(&format!(
            "(i64.store (i32.const 4096) (i64.const -1)) (call {name} (i32.const 4096))"
        ));
        // The length of a list, or whether there is something.
        let at = if function.starts_with("get-terminal") || function == "initial-cwd" {
            "(i32.load8_u (i32.const 4096))"
        } else {
            "(i32.load (i32.const 4100))"
        };
        body.push_str(&demand(&format!("(i32.eqz {at})")));
        imports.push((interface, function, format!("{name} (param i32)")));
    }
    let imports: Vec<_> = imports
        .iter()
        .map(|(interface, function, ty)| (*interface, *function, &**ty))
        .collect();
    assert_eq!(verdict(&imports, &body).await, Verdict::Done);
}

#[tokio::test]
async fn no_socket_is_made_and_no_name_looked_up() {
    for (interface, function) in [
        ("wasi:sockets/tcp-create-socket", "create-tcp-socket"),
        ("wasi:sockets/udp-create-socket", "create-udp-socket"),
    ] {
        let imports = [(interface, function, "$make (param i32 i32)")];
        let refused = demand("(i32.load8_u (i32.const 4096))");
        let body = format!("(call $make (i32.const 0) (i32.const 4096)) {refused}");
        assert_eq!(verdict(&imports, &body).await, Verdict::Done, "{function}");
    }
}

#[tokio::test]
async fn random_bytes_are_bounded_in_all_by_each_way_to_them() {
    let bytes = "$bytes (param i64 i32)";
    for (interface, function) in [
        ("wasi:random/random", "get-random-bytes"),
        ("wasi:random/insecure@0.2.0", "get-insecure-random-bytes"),
    ] {
        let imports = [(interface, function, bytes)];
        let call = |length: i64| format!("(call $bytes (i64.const {length}) (i32.const 4096))");
        let largest = verdict(&imports, &call(-1)).await;
        let limit = "random limit of 1048576 bytes exceeded";
        let why = format!("{limit}: 18446744073709551615 bytes asked for");
        assert_eq!(largest, Verdict::Failed(Failure::Limit(why)), "{function}");
        let reset = "(global.set $bump (i32.const 65536))";
        let again = format!("(loop $again {reset} {} (br $again))", call(1000));
        let again = verdict(&imports, &again).await;
        let why = format!("{limit}: 1049000 bytes asked for");
        assert_eq!(again, Verdict::Failed(Failure::Limit(why)), "{function}");
    }
    let number = "$number (result i64)";
    for (interface, function) in [
        ("wasi:random/random", "get-random-u64"),
        ("wasi:random/insecure@0.2.0", "get-insecure-random-u64"),
    ] {
        let body = "(loop $again (drop (call $number)) (br $again))";
        let ended = verdict(&[(interface, function, number)], body).await;
        let why = "random limit of 1048576 bytes exceeded: 1048584 bytes asked for".to_owned();
        assert_eq!(ended, Verdict::Failed(Failure::Limit(why)), "{function}");
    }
}

#[tokio::test]
async fn clocks_are_coarse_and_start_with_the_attempt() {
    let monotonic = "wasi:clocks/monotonic-clock";
    let imports = [
        (monotonic, "now", "$now (result i64)"),
        (monotonic, "resolution", "$resolution (result i64)"),
        ("wasi:clocks/wall-clock", "now", "$date (param i32)"),
    ];
    let body = [
        demand("(i64.eq (call $resolution) (i64.const 1000000))"),
        demand("(i64.eqz (i64.rem_u (call $now) (i64.const 1000000)))"),
        // No machine has been up for less than the ten seconds of an attempt.
        demand("(i64.lt_u (call $now) (i64.const 10000000000))"),
        "(call $date (i32.const 4096))".to_owned(),
        demand("(i32.eqz (i32.rem_u (i32.load (i32.const 4104)) (i32.const 1000000)))"),
        demand("(i64.gt_u (i64.load (i32.const 4096)) (i64.const 1700000000))"),
    ];
    assert_eq!(verdict(&imports, &body.concat()).await, Verdict::Done);
}

#[tokio::test]
async fn exit_ends_the_attempt_and_nothing_else() {
    for status in [0, 1] {
        let imports = [("wasi:cli/exit", "exit", "$exit (param i32)")];
        let ended = verdict(&imports, &format!("(call $exit (i32.const {status}))")).await;
        assert_eq!(ended, Verdict::Failed(Failure::Exit(status)));
    }
}

#[tokio::test]
async fn handles_of_wasi_run_out_by_name() {
    let imports = [(
        "wasi:clocks/monotonic-clock",
        "subscribe-duration",
        "$sleep (param i64) (result i32)",
    )];
    let body = "(loop $again (drop (call $sleep (i64.const 1))) (br $again))";
    let why = "handle limit of 256 exceeded: 257 held at once".to_owned();
    let ended = verdict(&imports, body).await;
    assert_eq!(ended, Verdict::Failed(Failure::Limit(why)));
}

#[tokio::test]
async fn headers_run_out_of_room_by_name() {
    let types = "wasi:http/types@0.2.1";
    let imports = [
        (types, "[constructor]fields", "$new (result i32)"),
        (
            types,
            "[method]fields.append",
            "$append (param i32 i32 i32 i32 i32 i32)",
        ),
    ];
    let body = "(local.set $n (call $new))
        (loop $again
          (call $append (local.get $n) (i32.const 1024) (i32.const 4)
            (i32.const 1024) (i32.const 4) (i32.const 4096))
          (br $again))";
    let why = "http-fields limit of 24576 bytes exceeded: a set of headers has more".to_owned();
    let ended = verdict(&imports, body).await;
    assert_eq!(ended, Verdict::Failed(Failure::Limit(why)));
}

#[tokio::test]
async fn the_wall_clock_ends_a_sleep() {
    let imports = [
        (
            "wasi:clocks/monotonic-clock",
            "subscribe-duration",
            "$sleep (param i64) (result i32)",
        ),
        (
            "wasi:io/poll",
            "[method]pollable.block",
            "$block (param i32)",
        ),
        ("wasi:io/poll", "poll", "$poll (param i32 i32 i32)"),
    ];
    let limits = AttemptLimits {
        wall: Duration::from_millis(30),
        ..AttemptLimits::default()
    };
    for wait in [
        "(call $block (call $sleep (i64.const -1)))",
        "(i32.store (i32.const 2048) (call $sleep (i64.const 3600000000000)))
        (call $poll (i32.const 2048) (i32.const 1) (i32.const 4096))",
    ] {
        let component = plugin(&imports, "", &format!("{wait} (i32.const 16)"));
        let report = run(&component, limits).await;
        assert_eq!(failure(report), Failure::Wall(limits.wall));
    }
}
