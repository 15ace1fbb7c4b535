//! The comparison of what the host has with what was sent.

use hookbox_testkit::recorder::Recorder;
use hookbox_testkit::{Host, wait_for};

use crate::ledger::Ledger;

/// Waits until everything is worked off, stops the host and compares.
pub(crate) fn check(host: &mut Host, ledger: &Ledger, _recorder: &Recorder) {
    let counts = wait_for("everything to be worked off", || {
        let counts = host.api("/api/counts");
        let is_zero = |name: &str| counts[name] == 0;
        (is_zero("pending") && is_zero("outbox_pending")).then_some(counts)
    });
    assert_eq!(
        ledger.answers(),
        ledger.numbers(),
        "answers 200 and numbers"
    );
    assert_eq!(counts["dead"], 0, "{counts}");
    assert_eq!(counts["outbox_dead"], 0, "{counts}");
    assert_eq!(counts["done"], ledger.numbers(), "{counts}");
    assert_eq!(host.stop().code(), Some(0));
}
