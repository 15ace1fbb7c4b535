//! A disk that is full, or fails: what isn't stored isn't answered 200, and
//! what was answered stays.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use hookbox_testkit::disk::{self, CUT, Disk, Faults};
use hookbox_testkit::http::Client;
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, HostOptions, samples, wait_for};

use crate::support::deliveries;

/// A host whose data folder is on a disk with faults, and a plugin.
struct Bench {
    host: Host,
    faults: Faults,
    _disk: Disk,
}

impl Bench {
    fn new() -> Self {
        let (disk, faults) = (Disk::build(), Faults::new());
        // Its data folder is known only once it is there.
        let options = HostOptions::default();
        let mut host = Host::start(env!("CARGO_BIN_EXE_hookbox"), options);
        host.install("echo", &wat::logs(World::ChatPush, "heard"));
        host.stop();
        host.options.env = disk.variables(&host.data());
        host.options.env.push(faults.variable());
        host.restart();
        Self {
            host,
            faults,
            _disk: disk,
        }
    }

    /// Restarts the host on a disk without faults; how much of what was answered
    /// isn't handled then.
    fn lost(mut self, load: &Load) -> usize {
        self.host.options.env.clear();
        self.host.restart();
        let host = &self.host;
        wait_for("everything to be handled", || {
            (host.api("/api/counts")["pending"] == 0).then_some(())
        });
        let handled: HashSet<String> = deliveries(host, "echo", "done")
            .iter()
            .filter_map(|delivery| delivery["session_id"].as_str().map(str::to_owned))
            .collect();
        let accepted = load.accepted.lock().unwrap();
        accepted.difference(&handled).count()
    }
}

/// Clients that post until they are stopped or the host is gone.
#[derive(Default)]
struct Load {
    /// The sessions of what was answered 200.
    accepted: Mutex<HashSet<String>>,
    refused: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Posts while `work` runs.
    fn during<T>(&self, host: &mut Host, work: impl FnOnce(&mut Host, &Self) -> T) -> T {
        let url = format!("{}/webhook", host.url);
        thread::scope(|scope| {
            for sender in 0..8 {
                let url = &url;
                scope.spawn(move || self.post(url, sender));
            }
            let done = work(host, self);
            self.stop.store(true, Ordering::Relaxed);
            done
        })
    }

    fn post(&self, url: &str, sender: usize) {
        let client = Client::default();
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let session = format!("s-{sender}-{number}");
            let body = samples::chat(&session, "keep me");
            let Ok(answer) = client.post(url, &[], body.as_bytes()) else {
                return;
            };
            if answer.status == 200 {
                self.accepted.lock().unwrap().insert(session);
                continue;
            }
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn accepted(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits for `count` more answers 200.
    fn wait_more(&self, count: usize) {
        let before = self.accepted();
        wait_for("answers 200", || {
            (self.accepted() >= before + count).then_some(())
        });
    }
}

#[test]
fn on_a_full_disk_nothing_is_promised_and_with_space_it_goes_on_by_itself() {
    let mut bench = Bench::new();
    let load = Load::default();
    load.during(&mut bench.host, |_, load| {
        for _ in 0..2 {
            load.wait_more(100);
            bench.faults.fill();
            let before = load.refused();
            wait_for("answers 503", || {
                (load.refused() >= before + 50).then_some(())
            });
            bench.faults.free();
            load.wait_more(100);
        }
    });
    wait_for("everything to be handled", || {
        (bench.host.api("/api/counts")["pending"] == 0).then_some(())
    });
    bench.host.kill();
    assert_eq!(bench.lost(&load), 0);
}

#[test]
fn after_a_failed_sync_the_batch_is_refused_and_nothing_answered_is_lost_with_the_power() {
    let mut bench = Bench::new();
    let load = Load::default();
    let status = load.during(&mut bench.host, |host, load| {
        // Most hit a batch with events, but some only outcomes.
        while load.refused() == 0 {
            load.wait_more(50);
            bench.faults.fail_a_sync();
        }
        load.wait_more(200);
        bench.faults.cut();
        host.wait_end()
    });
    assert_eq!(status.code(), Some(CUT));
    assert_eq!(bench.lost(&load), 0);
}

/// Without this, the tests above could be blind.
#[test]
fn a_disk_that_only_says_that_it_has_synced_loses_what_was_answered() {
    let mut bench = Bench::new();
    bench.host.stop();
    bench.host.options.env.push(disk::lies());
    bench.host.restart();
    let load = Load::default();
    let status = load.during(&mut bench.host, |host, load| {
        load.wait_more(200);
        bench.faults.cut();
        host.wait_end()
    });
    assert_eq!(status.code(), Some(CUT));
    assert!(bench.lost(&load) > 0);
}
