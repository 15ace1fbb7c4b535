//! The host gives up what it doesn't need, and goes on doing what it does.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use hookbox::confine::Degree;
use hookbox::confine::probe::{Report, Tried};
use hookbox_testkit::log::message;
use hookbox_testkit::recorder::Recorder;
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, wait_for};
use serde_json::Value;

use crate::support::{deliveries, fixture, host_with, said};

const REQUIRED: &str = "[host]\nconfine = \"require\"\n";

/// A field of `/proc/PID/task/TID/status` of each thread.
fn of_threads(host: &Host, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", host.pid())).expect("it runs");
    let value = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.expect("the field").trim().to_owned()
    };
    // A thread may end meanwhile.
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("status")).ok())
        .map(value)
        .collect()
}

#[test]
fn a_confined_host_does_all_that_a_host_does() {
    let config = format!("{REQUIRED}[outbound]\nallow_private = [\"127.0.0.0/8\"]\n");
    let mut host = host_with(&config);
    let confined = |line: &Value| message(line).starts_with("the host is confined to its folders");
    host.log.wait("the line that says so", confined);
    for field in ["NoNewPrivs:", "Seccomp:"] {
        let threads = of_threads(&host, field);
        assert!(threads.len() > 4, "{threads:?}");
        // A filter is mode 2.
        let expected = if field == "Seccomp:" { "2" } else { "1" };
        assert!(
            threads.iter().all(|of| of == expected),
            "{field} {threads:?}"
        );
    }

    // Compiled by a confined child of a confined host; seen, replaced, removed.
    let first = host.install("echo", &wat::logs(World::ChatPush, "one"));
    host.post_chat("s", "1");
    host.log.wait("the first version", said("echo", "one"));
    let second = host.install("echo", &wat::logs(World::ChatPush, "two"));
    assert_ne!(first, second);
    host.post_chat("s", "2");
    host.log.wait("the second version", said("echo", "two"));

    // Requests go out, by name and to a port that isn't its own.
    let recorder = Recorder::start_friendly();
    let url = recorder.url("/hook").replace("127.0.0.1", "localhost");
    let manifest = format!("[config]\nurl = \"{url}\"\n[http]\nallow = [\"POST {url}\"]\n");
    host.manifest("tally", &manifest);
    host.install("tally", &fixture("tally"));
    host.post_chat("s", "3");
    wait_for("the request", || {
        recorder
            .received()
            .first()
            .map(|request| request.path.clone())
    });

    // And all of it is there again, on the same folders.
    host.stop();
    host.restart();
    wait_for("the version of before", || {
        (host.version("echo").as_ref() == Some(&second)).then_some(())
    });
    host.post_chat("s", "4");
    wait_for("all to be handled", || {
        (deliveries(&host, "echo", "done").len() == 4).then_some(())
    });
}

#[test]
fn another_folder_may_take_the_place_of_the_plugins_folder() {
    let host = host_with(REQUIRED);
    host.install("old", &wat::logs(World::ChatPush, "old"));
    let next = host.plugins().with_file_name("next");
    fs::create_dir(&next).expect("made");
    fs::write(next.join("new.wasm"), wat::logs(World::ChatPush, "new")).expect("written");
    fs::rename(host.plugins(), host.plugins().with_file_name("before")).expect("renamed");
    fs::rename(&next, host.plugins()).expect("renamed");
    wait_for("the other folder's plugin", || host.version("new"));
    wait_for("the end of the first one's", || {
        host.version("old").is_none().then_some(())
    });
}

/// Runs `hookbox confined` for folders in `scratch`.
fn probe(scratch: &Path, mode: &str) -> Output {
    for folder in ["plugins", "data"] {
        fs::create_dir_all(scratch.join(folder)).expect("made");
    }
    Command::new(env!("CARGO_BIN_EXE_hookbox"))
        .current_dir(scratch)
        .args(["confined", "--confine", mode])
        // Nothing listens: what counts is which ports it could listen on.
        .args(["--listen", "127.0.0.1:61000", "--admin", "127.0.0.1:61001"])
        .output()
        .expect("it runs")
}

fn report(output: &Output) -> Report {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|problem| {
        panic!("{problem}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

fn refused(tried: &[Tried]) -> Vec<&str> {
    let refused = tried.iter().filter(|one| one.refused.is_some());
    refused.map(|one| &one.what[..]).collect()
}

#[test]
fn what_a_host_never_does_a_confined_one_cannot_do() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let free = report(&probe(scratch.path(), "off"));
    assert_eq!(free.confinement, None);
    assert_eq!(refused(&free.needed), [""; 0], "{free:?}");
    // Or this test would see refusals that have other reasons.
    let anyway = refused(&free.forbidden);
    // Only root may do the last one.
    assert!(
        anyway.is_empty() || anyway == ["change the root folder"],
        "{anyway:?}"
    );

    let confined = report(&probe(scratch.path(), "require"));
    let confinement = confined.confinement.expect("it is confined");
    assert_eq!(confinement.landlock, Degree::Full);
    assert_eq!(refused(&confined.needed), [""; 0], "{confined:?}");
    // A thread, itself, a name, and two folders.
    assert_eq!(confined.needed.len(), 5, "{confined:?}");
    let all: Vec<&str> = confined.forbidden.iter().map(|one| &one.what[..]).collect();
    assert_eq!(refused(&confined.forbidden), all, "{confined:?}");
    assert_eq!(all.len(), 7);
}

#[test]
fn a_misspelt_mode_and_one_that_is_off_are_told() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let output = probe(scratch.path(), "yes");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("off, try, require"), "{text}");

    let host = host_with("[host]\nconfine = \"off\"\n");
    assert!(of_threads(&host, "NoNewPrivs:").iter().all(|of| of == "0"));
    let doctor = |mode| {
        let output = Command::new(env!("CARGO_BIN_EXE_hookbox"))
            .current_dir(scratch.path())
            .args(["doctor", "--confine", mode])
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = doctor("off");
    assert!(
        text.contains("off: the host keeps what its user may do"),
        "{text}"
    );
    // Before the first start, when there are no folders.
    for folder in ["plugins", "data"] {
        fs::remove_dir(scratch.path().join(folder)).unwrap_or_default();
    }
    let text = doctor("try");
    assert!(text.contains("privileges given up: full"), "{text}");
    assert!(!text.contains("a confined host can't"), "{text}");
}
