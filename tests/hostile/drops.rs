//! Puts files into the folder as nobody should, and reads what the host says.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use hookbox_testkit::log::{field, message};
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, wait_for};
use serde_json::Value;

/// A plugin that harms nobody, in a version of its own.
pub(crate) fn harmless(text: &str) -> Vec<u8> {
    wat::logs(World::ChatPush, text)
}

/// Where a file of that name lies in the folder; any bytes are a name.
pub(crate) fn at(host: &Host, file: impl AsRef<[u8]>) -> PathBuf {
    host.plugins().join(OsStr::from_bytes(file.as_ref()))
}

/// Writes a file into the folder in one go, by rename.
pub(crate) fn put(host: &Host, file: impl AsRef<[u8]>, content: &[u8]) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let scratch = host.plugins().join(format!(".put-{number}"));
    fs::write(&scratch, content).expect("the plugins folder can be written");
    fs::rename(&scratch, at(host, file)).expect("renamed");
}

/// What the host says of a plugin that it doesn't load.
pub(crate) fn complaint(host: &Host, plugin: &str) -> String {
    let what = format!("a complaint about {plugin}");
    let line = host.log.wait(&what, |line| is_complaint(line, plugin));
    assert_printable(&line);
    message(&line).to_owned()
}

/// As [`complaint`], for a plugin that must not run afterwards.
pub(crate) fn not_loaded(host: &Host, plugin: &str) -> String {
    let said = complaint(host, plugin);
    assert_eq!(host.version(plugin), None, "{plugin} runs");
    said
}

/// Whether a line says that a plugin isn't loaded.
pub(crate) fn is_complaint(line: &Value, plugin: &str) -> bool {
    line["level"] == "ERROR"
        && field(line, "plugin") == plugin
        && message(line).starts_with("plugin not loaded")
}

/// What the host says of a file that isn't taken for a plugin. `file` is how it is
/// shown: what is unprintable in its name is escaped.
pub(crate) fn refusal(host: &Host, file: &str) -> String {
    let line = host.log.wait(&format!("a refusal of {file}"), |line| {
        message(line).contains("is not taken") && field(line, "file").ends_with(file)
    });
    assert_printable(&line);
    message(&line).to_owned()
}

/// No line of the log does anything to a terminal.
pub(crate) fn assert_printable(line: &Value) {
    let fields = line["fields"].as_object().expect("a line has fields");
    for text in fields.values().filter_map(Value::as_str) {
        let acts =
            |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{2066}';
        assert!(!text.contains(acts), "{text:?}");
    }
}

/// Waits until a plugin runs this version of its file.
pub(crate) fn runs(host: &Host, plugin: &str, file: &[u8]) {
    let version = hookbox::plugins::cache::ContentHash::of(file).short();
    wait_for(&format!("{plugin} to run as it is"), || {
        (host.version(plugin)? == version).then_some(())
    });
}

/// Waits until a plugin isn't there any more.
pub(crate) fn gone(host: &Host, plugin: &str) {
    wait_for(&format!("{plugin} to be gone"), || {
        host.plugin(plugin).is_none().then_some(())
    });
}

/// The host's memory that is neither shared nor in files, in bytes.
pub(crate) fn resident(host: &Host) -> u64 {
    let path = format!("/proc/{}/status", host.pid());
    let status = fs::read_to_string(path).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a size") << 10
}

/// Makes a FIFO, or a device where the test may.
pub(crate) fn make_node(path: &Path, kind: rustix::fs::FileType) -> rustix::io::Result<()> {
    // What /dev/zero is.
    let device = match kind {
        rustix::fs::FileType::CharacterDevice => rustix::fs::makedev(1, 5),
        _ => 0,
    };
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, device)
}
