//! How the host starts, refuses to start, and stops.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hookbox_testkit::http::Client;
use hookbox_testkit::log::{field, message};
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, samples, wait_for};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{deliveries, host_with, said};

/// More than a busy machine needs to end a process that is to end.
const MARGIN: Duration = Duration::from_secs(5);

/// A host with one attempt that runs for as long as nothing ends it.
fn host_with_an_endless_attempt(grace: &str) -> Host {
    let config = format!(
        "[ingest]\nshutdown_grace = \"{grace}\"\n[limits]\ncpu = \"300s\"\nwall = \"300s\"\n"
    );
    let host = host_with(&config);
    let log = r#"(data (i32.const 1024) "on my way")"#;
    let body =
        "(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 9))
        (loop $again (br $again)) (i32.const 16)";
    host.install("stuck", &wat::plugin(World::ChatPush, log, body));
    host.post_chat("s", "never ends");
    host.log
        .wait("the attempt to start", said("stuck", "on my way"));
    host
}

/// Connections without a request in flight: one was used, one never was.
fn idle_connections(host: &Host) -> [TcpStream; 2] {
    let address = host.url.trim_start_matches("http://");
    let open = || TcpStream::connect(address).expect("it accepts");
    let mut used = open();
    used.write_all(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n")
        .expect("sent");
    let mut answer = [0; 15];
    used.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    [used, open()]
}

#[test]
fn a_stop_has_one_bound_and_what_did_not_end_runs_after_the_restart() {
    let mut host = host_with_an_endless_attempt("2s");
    let idle = idle_connections(&host);
    let before = Instant::now();
    let status = host.stop();
    let took = before.elapsed();
    assert_eq!(status.code(), Some(0));
    // Requests and attempts one after the other would have 4 s.
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(2) + MARGIN, "{took:?}");
    host.log.wait("the abandoned attempt", |line| {
        message(line).starts_with("abandoned running attempts")
    });
    drop(idle);

    host.drop_in("stuck", &wat::logs(World::ChatPush, "done now"));
    host.restart();
    host.log
        .wait("the abandoned delivery", said("stuck", "done now"));
    wait_for("its outcome", || {
        (deliveries(&host, "stuck", "done").len() == 1).then_some(())
    });
}

#[test]
fn idle_connections_do_not_delay_a_stop() {
    let mut host = host_with("[ingest]\nshutdown_grace = \"60s\"\n");
    let idle = idle_connections(&host);
    let before = Instant::now();
    assert_eq!(host.stop().code(), Some(0));
    assert!(before.elapsed() < MARGIN, "{:?}", before.elapsed());
    drop(idle);
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut host = host_with_an_endless_attempt("60s");
    let before = Instant::now();
    let pid = i32::try_from(host.pid()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process id"), Signal::TERM).expect("signalled");
    host.log.wait("the stop to begin", |line| {
        message(line).starts_with("SIGTERM: stopping")
    });
    assert_eq!(host.stop().code(), Some(0));
    assert!(before.elapsed() < MARGIN, "{:?}", before.elapsed());
}

#[test]
fn what_was_answered_before_a_stop_is_handled_after_it() {
    let mut host = host_with("");
    host.install("echo", &wat::logs(World::ChatPush, "heard"));
    let accepted = Mutex::new(HashSet::new());
    let stopped = AtomicBool::new(false);
    let url = format!("{}/webhook", host.url);
    thread::scope(|scope| {
        for sender in 0..16 {
            let (accepted, stopped, url) = (&accepted, &stopped, &url);
            scope.spawn(move || {
                let client = Client::default();
                for number in 0.. {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let session = format!("s-{sender}-{number}");
                    let body = samples::chat(&session, "count me");
                    // Without an answer there is no promise.
                    let Ok(answer) = client.post(url, &[], body.as_bytes()) else {
                        return;
                    };
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    accepted.lock().unwrap().insert(session);
                }
            });
        }
        wait_for("some load", || {
            (accepted.lock().unwrap().len() > 200).then_some(())
        });
        assert_eq!(host.stop().code(), Some(0));
        stopped.store(true, Ordering::Relaxed);
    });

    host.restart();
    wait_for("everything to be handled", || {
        deliveries(&host, "echo", "pending")
            .is_empty()
            .then_some(())
    });
    let handled: HashSet<String> = deliveries(&host, "echo", "done")
        .iter()
        .filter_map(|delivery| delivery["session_id"].as_str().map(str::to_owned))
        .collect();
    let accepted = accepted.into_inner().unwrap();
    let lost = accepted.difference(&handled).count();
    assert_eq!(lost, 0, "of {} events", accepted.len());
}

/// Runs `hookbox serve` in `folder`, where it is expected not to start.
fn serve(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hookbox"))
        .current_dir(folder)
        .arg("serve")
        .args(args)
        .output()
        .expect("it runs")
}

#[track_caller]
fn assert_refused(output: &Output, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("hookbox: "), "{text}");
    for part in parts {
        assert!(last.contains(part), "{part:?} is not in: {text}");
    }
}

const FREE: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().map(|address| (taken, address));
    let (_listener, address) = taken.expect("its address");
    let address = address.to_string();
    for (flag, other) in [("--listen", "--admin"), ("--admin", "--listen")] {
        let output = serve(folder.path(), &[flag, &address, other, "127.0.0.1:0"]);
        assert_refused(&output, &[&format!("can't listen on {address}"), flag]);
    }
}

#[test]
fn a_broken_configuration_is_refused_with_line_and_nearest_key() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let config = "listen = \"127.0.0.1:0\"\n\n[limits]\nmemroy = \"1MiB\"\n";
    std::fs::write(folder.path().join("hookbox.toml"), config).expect("written");
    let output = serve(folder.path(), &FREE);
    assert_refused(
        &output,
        &["hookbox.toml, line 4", "`memroy`", "did you mean `memory`?"],
    );
}

#[test]
fn a_second_host_on_the_same_data_is_refused() {
    let host = host_with("");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let data = host.data().display().to_string();
    let output = serve(folder.path(), &[&FREE[..], &["--data", &data]].concat());
    assert_refused(&output, &["another host uses the data folder", &data]);
    host.post_chat("s", "the first one goes on");
}

#[test]
fn a_plugins_folder_that_is_missing_is_made_and_that_is_said() {
    let mut host = host_with("");
    host.stop();
    std::fs::remove_dir(host.plugins()).expect("removed");
    host.restart();
    let said = host.log.wait("the line about the folder", |line| {
        message(line).starts_with("there was no plugins folder")
    });
    assert_eq!(Path::new(field(&said, "folder")), host.plugins());
    assert!(host.plugins().is_dir());
}
