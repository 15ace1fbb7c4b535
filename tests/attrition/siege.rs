//! The host, its villains, and events for them.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use hookbox_testkit::hostile::{Source, villains};
use hookbox_testkit::log::message;
use hookbox_testkit::usage::Usage;
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, HostOptions, PATIENCE, wait_for};
use serde_json::json;

use crate::bounds::Sample;
use crate::villain::{Fixtures, manifest, version};

/// Tight: an attempt's end is what is tried.
const LIMITS: &str = "cpu = \"5ms\"\nwall = \"50ms\"";

/// The unit that operators start the host with: the allocator is told there to give
/// freed memory back to the system.
const UNIT: &str = include_str!("../../docs/hookbox.service");

/// The plugin that is none of them.
const GOOD: &str = "good";

/// Clients that post side by side, at most.
const CLIENTS: u64 = 8;
/// Attempts that one round of posting makes, roughly: few, so that the first look
/// comes when it should.
const ROUND: u64 = 512;
/// The most deliveries that wait when the next events come.
const BACKLOG: u64 = 500;

/// Large events that come first and that no plugin is for: with these the store's
/// page caches are as large as they may become, and what grows from then on is none
/// of them.
const LARGE: u64 = 800;
const LARGE_BYTES: usize = 64 << 10;

/// How long the host's CPU use is looked at, and how much of it is rest.
const LOOK: Duration = Duration::from_millis(200);
const REST: Duration = Duration::from_millis(20);

pub(crate) struct Siege {
    host: Host,
    /// Those that are made of text: compiled in no time.
    light: Vec<(&'static str, Vec<u8>)>,
    count: u64,
    rng: Rng,
    events: u64,
    replaced: u64,
}

impl Siege {
    /// Starts the host and waits until all plugins run.
    pub(crate) fn begin(seed: u64) -> Self {
        let options = HostOptions {
            // All of them side by side.
            config: "limits.plugins = 1000".into(),
            brief: true,
            env: allocator(),
            ..HostOptions::default()
        };
        let host = Host::start(env!("CARGO_BIN_EXE_hookbox"), options);
        host.install(GOOD, &wat::plugin(World::ChatPush, "", "(i32.const 16)"));
        fill_caches(&host);
        let villains = villains();
        let mut fixtures = Fixtures::default();
        let mut light = Vec::new();
        for villain in &villains {
            let component = villain.component(|name| fixtures.get(name));
            host.manifest(villain.name, &manifest(villain, LIMITS, true));
            host.drop_in(villain.name, &component);
            if matches!(villain.source, Source::Text(_)) {
                light.push((villain.name, component));
            }
        }
        for villain in &villains {
            wait_for(&format!("{} to run", villain.name), || {
                host.version(villain.name)
            });
        }
        println!("attrition: {} hostile plugins", villains.len());
        Self {
            host,
            light,
            count: villains.len() as u64,
            rng: Rng::with_seed(seed),
            events: 0,
            replaced: 0,
        }
    }

    /// Posts until there have been that many attempts of hostile plugins; replaces
    /// one of them after every so many.
    pub(crate) fn attempts(&mut self, goal: u64, replace_every: Option<u64>) {
        loop {
            let made = self.made();
            if made >= goal {
                return;
            }
            if replace_every.is_some_and(|every| made / every > self.replaced) {
                self.replace();
            }
            self.post();
            self.work_off(BACKLOG);
        }
    }

    /// Waits until no more than so many deliveries are pending.
    fn work_off(&self, most: u64) {
        let (mut least, mut since) = (u64::MAX, Instant::now());
        loop {
            let counts = self.host.api("/api/counts");
            let pending = counts["pending"].as_u64().expect("a count");
            if pending <= most {
                return;
            }
            if pending < least {
                (least, since) = (pending, Instant::now());
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{pending} deliveries stay pending: {:?}",
                self.whose("state=pending&limit=1000")
            );
            thread::sleep(LOOK / 10);
        }
    }

    /// How many of the latest deliveries that pass a filter each plugin has.
    fn whose(&self, filter: &str) -> BTreeMap<String, u64> {
        let page = self.host.api(&format!("/api/deliveries?{filter}"));
        let mut whose = BTreeMap::new();
        for delivery in page["deliveries"].as_array().expect("a list") {
            let plugin = delivery["plugin"].as_str().expect("a name");
            *whose.entry(plugin.to_owned()).or_default() += 1;
        }
        whose
    }

    /// Attempts of hostile plugins that have ended. A delivery has one, and the good
    /// plugin has at most one for each event.
    fn made(&self) -> u64 {
        let counts = self.host.api("/api/counts");
        let count = |state: &str| counts[state].as_u64().expect("a count");
        (count("done") + count("dead")).saturating_sub(self.events)
    }

    fn post(&mut self) {
        let (host, before) = (&self.host, self.events);
        let clients = (ROUND / self.count).clamp(1, CLIENTS);
        let each = (ROUND / clients / self.count).max(1);
        thread::scope(|scope| {
            for client in 0..clients {
                scope.spawn(move || {
                    for event in 0..each {
                        let number = before + client * each + event;
                        // Asserts that it is answered 200.
                        host.post_chat(&format!("session-{number}"), "do your worst");
                    }
                });
            }
        });
        self.events += clients * each;
    }

    /// Puts another version of a villain into the folder and waits until it runs.
    fn replace(&mut self) {
        self.replaced += 1;
        let index = self.rng.usize(..self.light.len());
        let (name, component) = &self.light[index];
        self.host.install(name, &version(component, self.replaced));
    }

    /// Waits until everything is handled and the host does nothing; how it is then.
    pub(crate) fn rest(&mut self) -> Sample {
        self.work_off(0);
        let mut last = self.usage();
        wait_for("the host to rest", || {
            thread::sleep(LOOK);
            let now = self.usage();
            let used = now.cpu.saturating_sub(last.cpu);
            last = now;
            (used <= REST).then_some(())
        });
        Sample {
            attempts: self.made(),
            resident: last.resident,
            files: last.files,
        }
    }

    fn usage(&self) -> Usage {
        Usage::of(self.host.pid()).expect("the host runs")
    }

    /// Asserts that the good plugin has handled each event, and that the host is well.
    pub(crate) fn check(&mut self) {
        let handled = self.deliveries(GOOD);
        let expected = BTreeMap::from([("done".to_owned(), self.events)]);
        assert_eq!(handled, expected, "what has become of the good plugin's");
        let panics = self.host.log.matching(|line| message(line).is_empty());
        assert!(panics.is_empty(), "the host panicked: {panics:?}");
        assert!(self.host.exited().is_none(), "the host has ended");
        assert!(self.host.stop().success(), "the host stops as it should");
    }

    /// How many deliveries of a plugin there are in each state.
    fn deliveries(&self, plugin: &str) -> BTreeMap<String, u64> {
        let mut states = BTreeMap::new();
        let mut before = String::new();
        loop {
            let path = format!("/api/deliveries?plugin={plugin}&limit=1000{before}");
            let page = self.host.api(&path);
            let page = page["deliveries"].as_array().expect("a list");
            for delivery in page {
                let state = delivery["state"].as_str().expect("a state");
                *states.entry(state.to_owned()).or_default() += 1;
            }
            let Some(last) = page.last() else {
                return states;
            };
            before = format!("&before={}", last["id"]);
        }
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "attrition: {} hostile plugins, {} events, {} replacements",
            self.count, self.events, self.replaced
        )
    }
}

/// What the unit tells the allocator.
fn allocator() -> Vec<(String, String)> {
    let settings = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    let settings = settings.flat_map(str::split_whitespace);
    let pairs = settings.filter_map(|setting| setting.split_once('='));
    pairs
        .filter(|(name, _)| name.starts_with("MALLOC_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn fill_caches(host: &Host) {
    let large = "x".repeat(LARGE_BYTES);
    for number in 0..LARGE {
        let data = json!({ "number": number, "large": large });
        let body = json!({ "event_type": "large", "timestamp": 1, "data": data });
        let answer = host.post(body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}
