//! Time: loops without end, in all places where a component's code runs.

use super::{Fate, Villain, handler};

/// The reason of whoever uses up its CPU time.
const CPU: Fate = Fate::Fails("CPU limit of");

pub(super) fn villains() -> Vec<Villain> {
    vec![
        Villain::text("loop-in-handler", loop_in_handler, CPU),
        Villain::text("loop-in-start", loop_in_start, CPU),
        Villain::rust("read-config-for-ever", CPU),
    ]
}

fn loop_in_handler() -> Vec<u8> {
    handler("", "(loop $again (br $again)) (i32.const 16)")
}

fn loop_in_start() -> Vec<u8> {
    handler(
        "(func $spin (loop $again (br $again))) (start $spin)",
        "(i32.const 16)",
    )
}
