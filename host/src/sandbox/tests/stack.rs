//! The wasm stack runs out just before, within and just after each import.
//!
//! A host function that outgrows what the wasm stack leaves of an attempt's stack
//! aborts the process: then this whole test program ends with a signal, and that is
//! the failure. What comes back in order is a verdict, whichever.

mod probe;

use std::time::Duration;

use self::probe::{Probe, probes};
use super::wit::everything;
use super::{attempt, load, sandbox};
use crate::outbound::Grants;
use crate::sandbox::{Attempt, AttemptLimits, Failure, Program, Sandbox, Verdict};

/// Steps below the deepest call that are tried as well.
const STEPS: [u32; 10] = [1, 2, 3, 5, 8, 16, 32, 64, 256, 1024];

/// More frames than the stack holds.
const TOO_DEEP: u32 = 1 << 20;

async fn verdict(sandbox: &Sandbox, program: &Program, depth: u32) -> Verdict {
    let limits = AttemptLimits {
        wall: Duration::from_secs(1),
        ..AttemptLimits::default()
    };
    let entry = "POST https://example.com/".to_owned();
    let attempt = Attempt {
        number: depth,
        grants: Grants::parse(&[entry]).expect("a good entry").into(),
        ..attempt(limits)
    };
    sandbox.run(program, attempt).await.verdict
}

/// Calls at the greatest depth that the stack has room for, and at some below. Says
/// how the call ends where there is plenty of room.
async fn overflow(sandbox: &Sandbox, probe: &Probe) -> Verdict {
    let program = load(sandbox, &probe.component);
    let deep = Verdict::Failed(Failure::StackOverflow);
    let shallow = verdict(sandbox, &program, 0).await;
    if is_out_of_reach(&shallow) {
        return shallow;
    }
    let (mut fits, mut too_deep) = (0, TOO_DEEP);
    while too_deep - fits > 1 {
        let depth = u32::midpoint(fits, too_deep);
        let verdict = verdict(sandbox, &program, depth).await;
        check(probe, &verdict);
        if verdict == deep {
            too_deep = depth;
        } else {
            fits = depth;
        }
    }
    assert!(fits > 1000, "{}: {fits} frames only", probe.name);
    for step in STEPS {
        check(
            probe,
            &verdict(sandbox, &program, fits - step.min(fits)).await,
        );
    }
    shallow
}

/// Nobody gets the handle that the call wants.
fn is_out_of_reach(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(Failure::Trap(why)) if why.contains("handle index"))
}

/// Whatever comes of it, it isn't the host that failed.
fn check(probe: &Probe, verdict: &Verdict) {
    if let Verdict::Failed(Failure::Other(why)) = verdict {
        assert!(!why.contains("the host failed"), "{}: {why}", probe.name);
    }
}

/// Overflows the stack in all imports of the packages of these names, in those of
/// none of the interfaces `except`. Calls that nobody gets a handle for are `closed`,
/// and each of these names is part of one.
async fn overflow_all(packages: &[&str], except: &[&str], closed: &[&str]) {
    let takes = |name: &str| {
        let starts = |list: &[&str]| list.iter().any(|part| name.starts_with(part));
        starts(packages) && !starts(except)
    };
    let sandbox = sandbox();
    let probes = probes(everything(), takes);
    assert!(!probes.is_empty());
    for probe in &probes {
        let verdict = overflow(&sandbox, probe).await;
        let is_closed = closed.iter().any(|part| probe.name.contains(part));
        assert_eq!(
            is_out_of_reach(&verdict),
            is_closed,
            "{}: {verdict:?}",
            probe.name
        );
    }
    for part in closed {
        assert!(
            probes.iter().any(|probe| probe.name.contains(part)),
            "{part}"
        );
    }
}

#[tokio::test]
async fn no_import_of_the_contract_outgrows_the_stack() {
    let packages = [
        "hookbox:plugin/",
        "wasi:logging/",
        "wasi:config/",
        "wasi:keyvalue/",
    ];
    overflow_all(&packages, &["hookbox:plugin/on-"], &[]).await;
}

#[tokio::test]
async fn no_import_of_wasi_outgrows_the_stack() {
    let packages = ["wasi:cli/", "wasi:clocks/", "wasi:io/", "wasi:random/"];
    // There is no terminal, and nothing gives an error but a stream that fails.
    let closed = ["]terminal-input", "]terminal-output", "]error"];
    // The run function is an export; the older streams are those of HTTP only.
    let except = ["wasi:cli/run", "wasi:io/streams@0.2.0"];
    overflow_all(&packages, &except, &closed).await;
}

#[tokio::test]
async fn no_import_of_files_and_sockets_outgrows_the_stack() {
    let packages = ["wasi:filesystem/", "wasi:sockets/"];
    let closed = [
        "]descriptor",
        "]directory-entry-stream",
        "]tcp-socket",
        "]udp-socket",
        "]incoming-datagram-stream",
        "]outgoing-datagram-stream",
        "]resolve-address-stream",
        " filesystem-error-code",
    ];
    overflow_all(&packages, &[], &closed).await;
}

#[tokio::test]
async fn no_import_of_http_outgrows_the_stack() {
    // No request goes out, so no answer comes.
    let closed = ["]incoming-response", "]incoming-body", " http-error-code"];
    overflow_all(&["wasi:http/"], &[], &closed).await;
}
