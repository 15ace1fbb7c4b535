//! The compiler that `hookbox build` uses. A host needs none.

use std::path::Path;

use super::report::Report;
use crate::toolchain::Toolchain;

pub(super) fn look(report: &mut Report) {
    const TOPIC: &str = "toolchain";
    match Toolchain::find(Path::new(".")) {
        Some(found) => report.ok(TOPIC, format!("plugins can be built with {found}")),
        None => report.ok(
            TOPIC,
            "no compiler for wasm, which only `hookbox build` needs: it sets one up",
        ),
    }
}
