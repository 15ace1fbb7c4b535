//! Compiled code that isn't what this host has stored: it never runs, the plugin is
//! compiled anew, and the log says so.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use hookbox::plugins::cache::ContentHash;
use hookbox_testkit::Host;
use hookbox_testkit::log::{field, message};
use rustix::fs::FileType;
use tempfile::TempDir;

use crate::drops::{harmless, make_node};
use crate::scene::{host_with, watched, well};

/// Does something to the entry of the victim; gets its path, another plugin's, and a
/// folder elsewhere.
type Forgery = fn(&Path, &Path, &Path);

const FORGERIES: [(&str, Forgery); 10] = [
    ("the first byte", |entry, _, _| {
        change(entry, |bytes| bytes[0] ^= 1)
    }),
    ("a byte in the middle", |entry, _, _| {
        change(entry, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    }),
    ("the tag", |entry, _, _| {
        change(entry, |bytes| *bytes.last_mut().expect("a byte") ^= 1);
    }),
    ("its end", |entry, _, _| {
        change(entry, |bytes| bytes.truncate(10))
    }),
    ("all of it", |entry, _, _| change(entry, Vec::clear)),
    ("a byte more", |entry, _, _| {
        change(entry, |bytes| bytes.push(0))
    }),
    ("another plugin's entry", |entry, other, elsewhere| {
        let scratch = elsewhere.join("scratch");
        fs::rename(entry, &scratch).expect("moved");
        fs::rename(other, entry).expect("moved");
        fs::rename(scratch, other).expect("moved");
    }),
    ("a link to itself", |entry, _, elsewhere| {
        let target = elsewhere.join("moved");
        fs::rename(entry, &target).expect("moved");
        symlink(target, entry).expect("linked");
    }),
    ("a FIFO", |entry, _, _| {
        fs::remove_file(entry).expect("removed");
        make_node(entry, FileType::Fifo).expect("made");
    }),
    ("nothing but length", |entry, _, _| {
        let file = fs::File::create(entry).expect("created");
        file.set_len(100 << 30).expect("sized");
    }),
];

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("an entry");
    how(&mut bytes);
    fs::write(path, bytes).expect("written");
}

fn entry(host: &Host, file: &[u8]) -> PathBuf {
    let hash = ContentHash::of(file).hex();
    let entries = fs::read_dir(host.data().join("code")).expect("listed");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let found = paths.find(|path| path.to_string_lossy().contains(&hash));
    found.expect("it was compiled")
}

/// Whether the plugin's code came from the cache at the latest start.
fn was_cached(host: &Host, plugin: &str) -> bool {
    let line = host.log.wait("the plugin to be loaded", |line| {
        field(line, "plugin") == plugin && message(line) == "plugin loaded"
    });
    line["fields"]["cached"] == true
}

fn warned(host: &Host, text: &str) -> bool {
    let warning =
        |line: &serde_json::Value| line["level"] == "WARN" && message(line).contains(text);
    !host.log.matching(warning).is_empty()
}

#[test]
fn forged_code_never_runs() {
    let elsewhere = TempDir::new().expect("a scratch folder");
    let (victim, other) = (harmless("victim"), harmless("other"));
    let mut host = host_with("");
    host.install("victim", &victim);
    host.install("other", &other);
    let entries = [entry(&host, &victim), entry(&host, &other)];
    assert!(host.stop().success());
    for (what, forge) in FORGERIES {
        let before = fs::read(&entries[0]).expect("an entry");
        forge(&entries[0], &entries[1], elsewhere.path());
        host.restart();
        watched(&mut host, |host| {
            assert!(!was_cached(host, "victim"), "{what}");
            assert!(
                warned(host, "an entry of the code cache is removed"),
                "{what}"
            );
            assert!(was_cached(host, "good"), "{what}");
            well(host, "victim");
            was_cached(host, "other");
        });
        let after = fs::symlink_metadata(&entries[0]).expect("compiled anew");
        assert!(
            after.is_file() && after.len() == before.len() as u64,
            "{what}"
        );
    }
}

#[test]
fn code_of_another_key_never_runs() {
    let elsewhere = TempDir::new().expect("a scratch folder");
    let mut host = host_with("");
    host.install("victim", &harmless("victim"));
    assert!(host.stop().success());
    let key = host.data().join("code.key");
    let stolen = elsewhere.path().join("stolen");
    let spoil: [(&str, &dyn Fn()); 5] = [
        ("removed", &|| fs::remove_file(&key).expect("removed")),
        ("open to others", &|| {
            fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("set");
        }),
        ("short", &|| fs::write(&key, b"short").expect("written")),
        ("long", &|| fs::write(&key, [7; 33]).expect("written")),
        ("a link", &|| {
            fs::rename(&key, &stolen).expect("moved");
            symlink(&stolen, &key).expect("linked");
        }),
    ];
    for (what, spoil) in spoil {
        let before = fs::read(&key).expect("a key");
        spoil();
        host.restart();
        watched(&mut host, |host| {
            assert!(!was_cached(host, "victim"), "{what}");
            assert!(!was_cached(host, "good"), "{what}");
            assert!(
                warned(host, "an entry of the code cache is removed"),
                "{what}"
            );
            let replaced = warned(host, "the key of the code cache is replaced");
            assert_eq!(replaced, what != "removed", "{what}");
            well(host, "victim");
        });
        let metadata = fs::symlink_metadata(&key).expect("a key");
        assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600);
        assert_ne!(fs::read(&key).expect("a key"), before, "{what}");
    }
    host.restart();
    assert!(
        was_cached(&host, "victim"),
        "a good key and good code are used"
    );
}
