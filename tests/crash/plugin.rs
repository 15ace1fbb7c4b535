//! The plugin that counts, and where it sends to.

use std::path::Path;

use hookbox::toolchain;
use hookbox_testkit::Host;
use hookbox_testkit::recorder::{Recorder, Reply};
use tempfile::TempDir;

/// Its name.
pub(crate) const NAME: &str = "tally";
/// The counter that it counts in.
pub(crate) const COUNTER: &str = "handled";
/// The bucket that it counts in, by session.
pub(crate) const BUCKET: &str = "tally";

/// The keys that it counts in.
pub(crate) fn kv_keys() -> impl Iterator<Item = String> {
    (0..4).map(|key| format!("handled-{key}"))
}

/// The host's configuration. Requests are repeated soon; finished events stay
/// only as long as it says.
pub(crate) fn config(retention: &str) -> String {
    format!(
        "[journal]\nretention = \"{retention}\"\n\
         [outbound]\nallow_private = [\"127.0.0.0/8\"]\nretry_max = \"200ms\"\n"
    )
}

/// The plugin's manifest.
fn manifest(recorder: &Recorder) -> String {
    let url = recorder.url("/");
    format!(
        "[config]\nurl = \"{url}\"\n[http]\nallow = [\"POST {url}\"]\n\
         [retry]\nbase = \"10ms\"\nmax = \"50ms\"\n[breaker]\nfailures = 0\n"
    )
}

/// The plugin's source.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/tally");

/// Puts the plugin into the host's folder.
pub(crate) fn install(host: &Host, recorder: &Recorder) {
    let out = TempDir::new().expect("a scratch folder");
    let options = toolchain::Options::default();
    let built = toolchain::build_plugin(Path::new(SOURCE), out.path(), &options, &mut |_| {});
    let built = built.expect("the plugin builds");
    let wasm = std::fs::read(&built.component).expect("it was built");
    host.manifest(NAME, &manifest(recorder));
    host.drop_in(NAME, &wasm);
}

/// A server that sometimes says nothing or fails, so that requests are repeated.
pub(crate) fn recorder() -> Recorder {
    Recorder::start(|number, _| match number % 32 {
        3 => Reply::Nothing,
        19 => Reply::Status(503),
        _ => Reply::Status(200),
    })
}
