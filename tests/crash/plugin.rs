//! The plugin that counts, and where it sends to.

use std::path::Path;

use hookbox::toolchain;
use hookbox_testkit::Host;
use hookbox_testkit::recorder::{Recorder, Reply};
use tempfile::TempDir;

/// Its name.
pub(crate) const NAME: &str = "tally";

/// The plugin's source.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/unsteady");

/// Puts the plugin into the host's folder.
pub(crate) fn install(host: &Host) {
    let out = TempDir::new().expect("a scratch folder");
    let options = toolchain::Options::default();
    let built = toolchain::build_plugin(Path::new(SOURCE), out.path(), &options, &mut |_| {});
    let built = built.expect("the plugin builds");
    let wasm = std::fs::read(&built.component).expect("it was built");
    host.drop_in(NAME, &wasm);
}

/// A server that sometimes says nothing or fails, so that requests are repeated.
pub(crate) fn recorder() -> Recorder {
    Recorder::start(|number, _| match number % 16 {
        3 => Reply::Nothing,
        9 => Reply::Status(503),
        _ => Reply::Status(200),
    })
}
pub(crate) const CONFIG: &str = "";
