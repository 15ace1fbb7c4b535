//! A folder that doesn't keep still, and crowds of files.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hookbox_testkit::log::{field, message};
use hookbox_testkit::wait_for;

use crate::drops::{at, gone, harmless, is_complaint, put, resident, runs};
use crate::scene::{host_with, watched, well};

#[test]
fn of_two_replacements_in_ten_milliseconds_the_last_one_runs() {
    let mut host = host_with("");
    host.install("swift", &harmless("version 0"));
    watched(&mut host, |host| {
        for round in 1..4 {
            let (first, last) = (format!("fleeting {round}"), format!("version {round}"));
            put(host, "swift.wasm", &harmless(&first));
            put(host, "swift.wasm", &harmless(&last));
            runs(host, "swift", &harmless(&last));
        }
        host.post_chat("swift", "which one?");
        let said = |text| {
            hookbox_testkit::log::Log::wait(&host.log, text, |line| {
                hookbox_testkit::log::is_from_plugin(line, "swift") && message(line) == text
            })
        };
        said("version 3");
        let swaps = host
            .log
            .matching(|line| field(line, "plugin") == "swift" && message(line) == "plugin swapped");
        assert_eq!(swaps.len(), 3, "what is replaced at once never runs");
    });
}

#[test]
fn files_that_never_rest_neither_run_nor_harm() {
    let mut host = host_with("");
    let (wasm, other) = (harmless("one"), harmless("two"));
    let steady = host.install("steady", &wasm);
    let stop = AtomicBool::new(false);
    watched(&mut host, |host| {
        thread::scope(|scope| {
            scope.spawn(|| {
                // In place: the content, its length, and the file's start.
                let path = at(host, "restless.wasm");
                fs::write(&path, &wasm).expect("written");
                let mut file = OpenOptions::new().write(true).open(&path).expect("opened");
                while !stop.load(Ordering::Acquire) {
                    file.set_len(7).expect("cut");
                    file.seek(SeekFrom::Start(0)).expect("rewound");
                    file.write_all(&wasm).expect("written");
                    put(host, "renamed.wasm", &wasm);
                    put(host, "renamed.wasm", &other);
                    put(host, "steady.toml", b"# again\n");
                }
                put(host, "renamed.wasm", &wasm);
            });
            for _ in 0..20 {
                host.post_chat("restless", "and now?");
            }
            // Some looks at the folder and some seconds of it.
            let wasm = harmless("beside");
            put(host, "beside.wasm", &wasm);
            runs(host, "beside", &wasm);
            well(host, "beside");
            assert_eq!(host.version("steady").as_ref(), Some(&steady));
            assert_eq!(host.version("restless"), None);
            stop.store(true, Ordering::Release);
        });
        // Once they rest, they run.
        for name in ["restless", "renamed"] {
            runs(host, name, &wasm);
        }
    });
}

#[test]
fn a_flood_of_files_that_come_and_go_leaves_nothing() {
    let mut host = host_with("");
    let wasm = harmless("flood");
    let before = resident(&host);
    watched(&mut host, |host| {
        for number in 0..10_000 {
            let path = at(host, format!("n{}.wasm", number % 1000));
            fs::write(&path, &wasm).expect("written");
            fs::remove_file(&path).expect("removed");
        }
        let last = harmless("last");
        put(host, "last.wasm", &last);
        runs(host, "last", &last);
        wait_for("what was there for a moment to be forgotten", || {
            let plugins = host.api("/api/plugins");
            (plugins["plugins"].as_array()?.len() == 2).then_some(())
        });
        let grown = resident(host).saturating_sub(before);
        assert!(grown < 100 << 20, "{grown} bytes");
    });
}

#[test]
fn the_folder_itself_may_go_and_come_back() {
    let outside = tempfile::TempDir::new().expect("a scratch folder");
    // Confined, the host follows no link to elsewhere.
    let mut host = host_with("[host]\nconfine = \"off\"\n");
    let version = host.version("good");
    let wasm = fs::read(at(&host, "good.wasm")).expect("it is there");
    watched(&mut host, |host| {
        let (folder, away) = (host.plugins(), outside.path().join("away"));
        let unreadable = |count: usize| {
            host.log
                .wait_count("the folder can't be read", count, |line| {
                    message(line)
                        .contains("the plugins folder can't be read, running plugins go on")
                });
        };
        let comes_back = |name: &str| {
            let wasm = harmless(name);
            put(host, format!("{name}.wasm"), &wasm);
            runs(host, name, &wasm);
            assert_eq!(host.version("good"), version);
        };
        // Moved away and back.
        fs::rename(&folder, &away).expect("moved");
        unreadable(1);
        fs::rename(&away, &folder).expect("moved back");
        comes_back("after-move");

        // Removed, made anew with the same plugin in it.
        fs::rename(&folder, &away).expect("moved");
        unreadable(2);
        fs::create_dir(outside.path().join("new")).expect("made");
        fs::write(outside.path().join("new/good.wasm"), &wasm).expect("written");
        fs::rename(outside.path().join("new"), &folder).expect("moved");
        comes_back("after-new");
        gone(host, "after-move");

        // A file in its place.
        fs::rename(&folder, outside.path().join("second")).expect("moved");
        fs::write(&folder, b"no folder").expect("written");
        unreadable(3);
        fs::remove_file(&folder).expect("removed");
        fs::rename(outside.path().join("second"), &folder).expect("moved back");
        comes_back("after-file");

        // Closed to all: for root it stays open.
        fs::set_permissions(&folder, Permissions::from_mode(0o000)).expect("set");
        if !rustix::process::geteuid().is_root() {
            unreadable(4);
        }
        host.post_chat("closed", "still there?");
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("set");
        comes_back("after-mode");

        // A link to a folder is the operator's to set: it is followed.
        fs::rename(&folder, outside.path().join("third")).expect("moved");
        symlink(outside.path().join("third"), &folder).expect("linked");
        comes_back("after-link");
    });
}

/// How many names that have never run get events at once.
const NEWCOMERS: u64 = 16;

#[test]
fn a_crowd_of_garbage_costs_few_deliveries_and_none_of_it_is_for_good() {
    const GARBAGE: usize = 200;
    const EVENTS: u64 = 20;
    let host = host_with("limits.plugins = 300");
    let deliveries = |host: &hookbox_testkit::Host| {
        let counts = host.api("/api/counts");
        ["pending", "done", "ignored", "dead"]
            .iter()
            .filter_map(|state| counts[state].as_u64())
            .sum::<u64>()
    };
    for number in 0..GARBAGE {
        put(&host, format!("a{number:03}.wasm"), b"garbage");
    }
    host.log
        .wait_count("garbage that isn't loaded", GARBAGE, |line| {
            message(line).contains("this isn't WebAssembly")
        });
    let before = deliveries(&host);
    for number in 0..EVENTS {
        host.post_chat("crowd", &format!("event {number}"));
    }
    let made = deliveries(&host) - before;
    assert_eq!(made, EVENTS * (1 + NEWCOMERS), "of the good one and these");

    // One that had no room, and one that had.
    for name in ["a199", "a000"] {
        let wasm = harmless(name);
        put(&host, format!("{name}.wasm"), &wasm);
        runs(&host, name, &wasm);
        host.post_chat(name, "welcome");
        well(&host, name);
    }
    let had = |plugin: &str| {
        let path = format!("/api/deliveries?plugin={plugin}&limit=1000");
        host.api(&path)["deliveries"].as_array().map_or(0, Vec::len) as u64
    };
    assert!(had("a199") > 0);
    assert!(had("a000") >= had("a199") + EVENTS, "what waited was kept");

    // The room of the one that runs now goes to another one, and no further.
    wait_for("the next one to get events", || {
        host.post_chat("crowd", "is there room?");
        (had("a016") > 0).then_some(())
    });
    let before = deliveries(&host);
    host.post_chat("crowd", "the last one");
    let made = deliveries(&host) - before;
    assert_eq!(made, 3 + NEWCOMERS, "the good ones and these");
}

#[test]
fn thousands_of_files_are_bounded_and_a_start_among_them_works() {
    const GARBAGE: usize = 5_000;
    let mut host = host_with("");
    let version = host.version("good");
    let before = resident(&host);
    for number in 0..GARBAGE {
        let name = match number % 10 {
            0 => format!("Bad-{number}.wasm"),
            1 => format!("code-{number}.cwasm"),
            _ => format!("a{number}.wasm"),
        };
        fs::write(at(&host, name), b"garbage").expect("written");
    }
    let folder = host.plugins();
    let refused = |host: &hookbox_testkit::Host| {
        host.log
            .wait_count("garbage that isn't loaded", 30, |line| {
                message(line).contains("this isn't WebAssembly")
            });
        host.log.wait("that there is more", |line| {
            message(line).contains("more files in the plugins folder are not taken")
        });
        let one_by_one = host
            .log
            .matching(|line| message(line).contains("a file in the plugins folder is not taken"));
        assert!(one_by_one.len() <= 100, "{} lines", one_by_one.len());
        let plugins = host.api("/api/plugins");
        let plugins = plugins["plugins"].as_array().expect("a list").len();
        assert_eq!(plugins, 64, "as many as a folder may have");
    };
    refused(&host);
    // Those that wait for their turn to be compiled aren't in memory.
    let grown = resident(&host).saturating_sub(before);
    assert!(grown < 200 << 20, "{grown} bytes");

    assert!(host.stop().success());
    host.restart();
    wait_for("the good plugin to run", || {
        (host.version("good") == version).then_some(())
    });
    refused(&host);
    watched(&mut host, |host| {
        for entry in fs::read_dir(&folder).expect("listed") {
            let path = entry.expect("an entry").path();
            if !path.ends_with("good.wasm") {
                fs::remove_file(path).expect("removed");
            }
        }
        wait_for("the garbage to be gone", || {
            let plugins = host.api("/api/plugins");
            (plugins["plugins"].as_array()?.len() == 1).then_some(())
        });
        let wasm = harmless("after");
        put(host, "after.wasm", &wasm);
        runs(host, "after", &wasm);
        assert!(
            host.log
                .matching(|line| is_complaint(line, "good"))
                .is_empty()
        );
    });
}
