//! What lies in the plugins folder: things that are no files, names that are
//! tricks, sizes, twins.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use hookbox_testkit::Host;
use hookbox_testkit::log::{field, message};
use rustix::fs::FileType;
use tempfile::TempDir;

use crate::drops::{
    assert_printable, at, complaint, gone, harmless, make_node, not_loaded, put, refusal, resident,
    runs,
};
use crate::scene::{host_with, watched, well};

/// What can be put where a file should be.
const THINGS: [(&str, &str); 8] = [
    ("link-to-file", "it is a symbolic link"),
    ("link-to-folder", "it is a symbolic link"),
    ("link-to-nothing", "it is a symbolic link"),
    ("link-to-itself", "it is a symbolic link"),
    ("link-to-zero", "it is a symbolic link"),
    ("fifo", "it is a FIFO"),
    ("socket", "it is a socket"),
    ("device", "it is a device"),
];

/// Makes one of them; whether this user may.
fn make(thing: &str, path: &std::path::Path, outside: &TempDir) -> bool {
    let target = outside.path().join("outside.wasm");
    fs::write(&target, harmless("outside")).expect("written");
    match thing {
        "link-to-file" => symlink(target, path).expect("linked"),
        "link-to-folder" => symlink(outside.path(), path).expect("linked"),
        "link-to-nothing" => symlink(outside.path().join("nothing"), path).expect("linked"),
        "link-to-itself" => symlink(path, path).expect("linked"),
        "link-to-zero" => symlink("/dev/zero", path).expect("linked"),
        "fifo" => make_node(path, FileType::Fifo).expect("made"),
        "socket" => drop(UnixListener::bind(path).expect("bound")),
        "device" => return make_node(path, FileType::CharacterDevice).is_ok(),
        other => panic!("no such thing: {other}"),
    }
    true
}

#[test]
fn what_is_no_regular_file_is_not_taken_for_a_plugin() {
    let outside = TempDir::new().expect("a scratch folder");
    let mut host = host_with("");
    watched(&mut host, |host| {
        for (thing, why) in THINGS {
            if make(thing, &at(host, format!("{thing}.wasm")), &outside) {
                let said = not_loaded(host, thing);
                assert!(said.contains(why), "{thing}: {said}");
            }
        }
    });
}

#[test]
fn what_is_no_regular_file_is_not_taken_for_a_manifest() {
    let outside = TempDir::new().expect("a scratch folder");
    fs::write(outside.path().join("outside.toml"), "enabled = false\n").expect("written");
    let mut host = host_with("");
    watched(&mut host, |host| {
        fs::create_dir(at(host, "folder.toml")).expect("made");
        put(host, "folder.wasm", &harmless("folder"));
        let said = not_loaded(host, "folder");
        assert!(said.contains("folder.toml: it is a folder"), "{said}");
        for (thing, why) in THINGS {
            if make(thing, &at(host, format!("{thing}.toml")), &outside) {
                put(host, format!("{thing}.wasm"), &harmless(thing));
                let said = not_loaded(host, thing);
                assert!(said.contains(&format!("{thing}.toml: {why}")), "{said}");
            }
        }
    });
}

/// As a hard link is a file like any other, it is taken; so is a file that nobody
/// may write.
#[test]
fn a_hard_link_is_the_file_itself() {
    let mut host = host_with("");
    let wasm = harmless("twice");
    watched(&mut host, |host| {
        put(host, "one.wasm", &wasm);
        fs::hard_link(at(host, "one.wasm"), at(host, "two.wasm")).expect("linked");
        let read_only = Permissions::from_mode(0o400);
        fs::set_permissions(at(host, "two.wasm"), read_only).expect("set");
        runs(host, "one", &wasm);
        runs(host, "two", &wasm);
    });
}

#[test]
fn a_version_that_runs_goes_on_when_its_file_becomes_something_else() {
    let outside = TempDir::new().expect("a scratch folder");
    let mut host = host_with("");
    let wasm = harmless("first");
    let version = host.install("victim", &wasm);
    watched(&mut host, |host| {
        for (thing, why) in THINGS {
            let scratch = at(host, ".scratch");
            if make(thing, &scratch, &outside) {
                fs::rename(&scratch, at(host, "victim.wasm")).expect("renamed");
                host.log.wait(why, |line| {
                    field(line, "plugin") == "victim" && message(line).contains(why)
                });
                assert_eq!(host.version("victim").as_ref(), Some(&version), "{thing}");
            }
        }
        let second = harmless("second");
        put(host, "victim.wasm", &second);
        runs(host, "victim", &second);
        well(host, "victim");
    });
}

#[test]
fn a_name_is_no_trick() {
    let long = format!("{}.wasm", "l".repeat(250));
    let twins = [
        "Good.wasm",
        "GOOD.wasm",
        "\u{ff47}\u{ff4f}\u{ff4f}\u{ff44}.wasm",
    ];
    // As it is, and as the log shows it.
    let names: Vec<(Vec<u8>, String)> = [
        ("..wasm", "..wasm"),
        ("...wasm", "...wasm"),
        ("-rf.wasm", "-rf.wasm"),
        (" .wasm", " .wasm"),
        ("a b.wasm", "a b.wasm"),
        (".hidden.wasm", ".hidden.wasm"),
        ("$(reboot).wasm", "$(reboot).wasm"),
        ("%00.wasm", "%00.wasm"),
        ("..\\good.wasm", "..\\\\good.wasm"),
        ("\n.wasm", "\\n.wasm"),
        ("a\r\nINFO all is well.wasm", "a\\r\\nINFO all is well.wasm"),
        ("\u{1b}[2J\u{1b}]0;pwned\u{7}.wasm", "\\u{7}.wasm"),
        ("\u{202e}msaw.wasm", "\\u{202e}msaw.wasm"),
        ("caf\u{e9}.wasm", "caf\u{e9}.wasm"),
        ("cafe\u{301}.wasm", "cafe\\u{301}.wasm"),
        ("good.WASM", "good.WASM"),
        ("good.CWASM", "good.CWASM"),
        ("good.cwasm", "good.cwasm"),
        (&long, &long),
        (twins[0], twins[0]),
        (twins[1], twins[1]),
        (twins[2], twins[2]),
    ]
    .map(|(name, shown)| (name.into(), format!("{shown}\"")))
    .into_iter()
    .chain([(b"\xff\xfe.wasm".to_vec(), "\\xFF\\xFE.wasm\"".into())])
    .collect();
    let mut host = host_with("");
    let good = host.version("good");
    watched(&mut host, |host| {
        for (name, shown) in &names {
            put(host, name, &harmless("trick"));
            let said = refusal(host, shown);
            let why = [
                "can't be a plugin's name",
                "must be `.wasm`",
                "compiled code",
            ];
            assert!(why.iter().any(|why| said.contains(why)), "{shown}: {said}");
        }
        // What is a name elsewhere is one here as well, and no more.
        for name in ["con", "nul", "0"] {
            let wasm = harmless(name);
            put(host, format!("{name}.wasm"), &wasm);
            runs(host, name, &wasm);
        }
        assert_eq!(host.version("good"), good);
        let plugins = host.api("/api/plugins");
        let plugins = plugins["plugins"].as_array().expect("a list").len();
        assert_eq!(plugins, 4, "good and the three");
        host.log.lines().iter().for_each(assert_printable);
    });
}

#[test]
fn a_folder_is_no_plugin_whatever_its_name() {
    let mut host = host_with("");
    watched(&mut host, |host| {
        for name in ["deep.wasm", "Deep.wasm", "deep.cwasm"] {
            let folder = at(host, name);
            fs::create_dir(&folder).expect("made");
            fs::write(folder.join("inner.wasm"), harmless("inner")).expect("written");
        }
        // Once this runs, the folders have been seen.
        let wasm = harmless("after");
        put(host, "after.wasm", &wasm);
        runs(host, "after", &wasm);
        assert!(host.plugin("deep").is_none() && host.plugin("inner").is_none());
        let said = host.log.matching(|line| line["level"] != "INFO");
        assert!(said.is_empty(), "{said:?}");
    });
}

#[test]
fn a_file_of_any_size_is_refused_unread() {
    let mut host = host_with("");
    let before = resident(&host);
    watched(&mut host, |host| {
        let sparse = |file: &str, size: u64| {
            let made = File::create(at(host, file)).expect("created");
            made.set_len(size).expect("sized");
        };
        sparse("huge.wasm", 10 << 30);
        let said = not_loaded(host, "huge");
        assert!(said.contains("it has 10737418240 bytes"), "{said}");

        sparse("wordy.toml", 10 << 30);
        put(host, "wordy.wasm", &harmless("wordy"));
        let said = not_loaded(host, "wordy");
        assert!(said.contains("more than 262144 bytes"), "{said}");

        // As large as may be, and nothing but zeroes.
        sparse("zeroes.wasm", 64 << 20);
        let said = not_loaded(host, "zeroes");
        assert!(said.contains("isn't WebAssembly"), "{said}");
        let grown = resident(host).saturating_sub(before);
        assert!(grown < 160 << 20, "{grown} bytes");
    });
}

#[test]
fn a_twin_of_the_good_plugin_takes_nothing_from_it() {
    let mut host = host_with("");
    let good = host.version("good");
    let same = harmless("fine");
    watched(&mut host, |host| {
        // The same content under another name is another plugin.
        put(host, "good2.wasm", &same);
        runs(host, "good2", &same);
        well(host, "good2");
        // A manifest whose name only looks like it isn't the plugin's.
        for name in ["Good.toml", "good.TOML", "good .toml", "\u{ff47}ood.toml"] {
            put(host, name, b"enabled = false\n");
        }
        fs::remove_file(at(host, "good2.wasm")).expect("removed");
        gone(host, "good2");
        assert_eq!(host.version("good"), good);
    });
}

#[test]
fn a_broken_manifest_leaves_the_version_that_runs_as_it_is() {
    let mut host = host_with("");
    let wasm = harmless("first");
    host.install("victim", &wasm);
    watched(&mut host, |host| {
        for broken in ["[limits", "enabled = \"perhaps\"", "\u{0}", "\u{feff}]"] {
            let before = complaints(host);
            put(host, "victim.toml", broken.as_bytes());
            hookbox_testkit::wait_for("one more complaint", || {
                (complaints(host) > before).then_some(())
            });
            runs(host, "victim", &wasm);
        }
        assert!(complaint(host, "victim").contains("the earlier version goes on running"));
        fs::remove_file(at(host, "victim.toml")).expect("removed");
        let second = harmless("second");
        put(host, "victim.wasm", &second);
        runs(host, "victim", &second);
    });
}

fn complaints(host: &Host) -> usize {
    let of_victim = |line: &serde_json::Value| crate::drops::is_complaint(line, "victim");
    host.log.matching(of_victim).len()
}
