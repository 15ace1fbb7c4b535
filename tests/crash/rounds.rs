//! The rounds: a start, load, a death.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use hookbox_testkit::disk::{self, CUT, Disk, Faults};
use hookbox_testkit::recorder::Recorder;
use hookbox_testkit::{Host, HostOptions, wait_for};
use tempfile::TempDir;

use crate::check::check;
use crate::ledger::Ledger;
use crate::load;
use crate::options::{Kind, Options};
use crate::plugin;

/// Rounds between two comparisons.
const CHECK_EVERY: u64 = 5;
/// Answers after which a host that was to die by itself is killed.
const ENOUGH: u64 = 1200;

/// Where a host can die, and up to which pass.
const POINTS: [(&str, u64); 12] = [
    ("append-before", 60),
    ("append-after", 60),
    ("finish-before", 60),
    ("finish-after", 60),
    ("outbox-before", 60),
    ("outbox-after", 60),
    ("clean-before", 4),
    ("clean-after", 4),
    ("checkpoint-before", 2),
    ("checkpoint-after", 2),
    ("empty-before", 1),
    ("empty-after", 1),
];

/// For how long finished events are kept; in some rounds so shortly that the
/// start cleans up.
const KEPT: &str = "24h";
const KEPT_SHORTLY: &str = "1s";

/// A death.
#[derive(Clone, Copy, Debug)]
enum Death {
    Kill,
    Point(&'static str, u64),
    Power(u64),
}

/// All rounds of a run of the program.
pub(crate) struct Run {
    options: Options,
    /// The round that is running, from 1.
    pub(crate) round: u64,
    chance: Rng,
    folder: Option<TempDir>,
    path: PathBuf,
    disk: Disk,
    recorder: Recorder,
    ledger: Ledger,
    kills: u64,
    points: u64,
    cuts: u64,
    /// Rounds in which the host passed its point too seldom, and was killed.
    missed: u64,
}

impl Run {
    pub(crate) fn new(options: Options) -> Self {
        let folder = TempDir::new().expect("a scratch folder");
        Self {
            options,
            round: 0,
            chance: Rng::with_seed(options.seed),
            path: folder.path().into(),
            folder: Some(folder),
            disk: Disk::build(),
            recorder: plugin::recorder(),
            ledger: Ledger::default(),
            kills: 0,
            points: 0,
            cuts: 0,
            missed: 0,
        }
    }

    /// Keeps the folder.
    pub(crate) fn keep(&mut self) -> PathBuf {
        if let Some(folder) = self.folder.take() {
            // Its path is known already.
            let _ = folder.keep();
        }
        self.path.clone()
    }

    pub(crate) fn all(&mut self) {
        let mut host = self.launch();
        plugin::install(&host, &self.recorder);
        assert!(host.becomes_ready(), "the first start");
        host.kill();
        for round in 1..=self.options.rounds {
            self.round = round;
            let death = self.choose();
            self.one(&mut host, death);
            if round % CHECK_EVERY == 0 || round == self.options.rounds {
                self.compare(&mut host);
            }
        }
    }

    fn launch(&self) -> Host {
        let options = HostOptions {
            folder: Some(self.path.clone()),
            config: plugin::config(KEPT),
            log: "warn,hookbox::cli=info".into(),
            ..HostOptions::default()
        };
        Host::launch(env!("CARGO_BIN_EXE_hookbox"), options)
    }

    fn choose(&mut self) -> Death {
        let kind = match self.options.kind {
            Kind::All => [Kind::Kill, Kind::Points, Kind::Power][(self.round % 3) as usize],
            kind => kind,
        };
        match kind {
            Kind::Points => {
                let (name, passes) = POINTS[self.chance.usize(..POINTS.len())];
                Death::Point(name, self.chance.u64(1..=passes))
            }
            Kind::Power => Death::Power(self.chance.u64(20..4000)),
            Kind::Kill | Kind::All => Death::Kill,
        }
    }

    /// Starts the host, has it work, and sees it die.
    fn one(&mut self, host: &mut Host, death: Death) {
        let faults = Faults::new();
        host.options.env = match death {
            Death::Kill => Vec::new(),
            Death::Point(name, pass) => vec![("HOOKBOX_CRASH_AT".into(), format!("{name}:{pass}"))],
            Death::Power(step) => {
                let mut env = self.disk.variables(&host.data());
                env.extend(disk::cut_at(step, self.chance.u64(..)));
                env.push(faults.variable());
                env
            }
        };
        let cleans = match death {
            Death::Point(name, _) => name.starts_with("clean"),
            Death::Kill | Death::Power(_) => self.chance.u8(..4) == 0,
        };
        host.options.config = plugin::config(if cleans { KEPT_SHORTLY } else { KEPT });
        host.relaunch();
        if !host.becomes_ready() {
            self.died(host, death);
            return;
        }
        let large = matches!(death, Death::Point(name, _) if name.starts_with("checkpoint"));
        let enough = match death {
            Death::Kill => self.chance.u64(50..600),
            Death::Point(..) | Death::Power(_) => ENOUGH,
        };
        let pause = Duration::from_micros(self.chance.u64(..20_000));
        let stop = AtomicBool::new(false);
        let ledger = &self.ledger;
        let before = ledger.answers();
        let killed = thread::scope(|scope| {
            load::start(scope, ledger, &host.url, large, &stop);
            let gone = wait_for("enough load", || {
                if host.exited().is_some() {
                    return Some(true);
                }
                (ledger.answers() - before >= enough).then_some(false)
            });
            let killed = !gone && {
                // The random moment itself, not a wait for anything: an answer's end is
                // no place of its own for a death.
                thread::sleep(pause);
                end(host, death, &faults)
            };
            stop.store(true, Ordering::Relaxed);
            killed
        });
        if killed {
            self.missed += u64::from(!matches!(death, Death::Kill));
            self.kills += u64::from(matches!(death, Death::Kill));
        } else {
            self.died(host, death);
        }
    }

    /// Makes sure that the host died as it was to.
    fn died(&mut self, host: &mut Host, death: Death) {
        let status = host.wait_end();
        let log = host.log.lines();
        match death {
            Death::Kill => panic!("the host ended by itself: {status}; {log:?}"),
            Death::Point(..) => {
                use std::os::unix::process::ExitStatusExt as _;
                assert_eq!(status.signal(), Some(9), "{death:?}: {status}; {log:?}");
                self.points += 1;
            }
            Death::Power(_) => {
                assert_eq!(status.code(), Some(CUT), "{death:?}: {log:?}");
                self.cuts += 1;
            }
        }
    }

    /// Has everything worked off and compares.
    fn compare(&mut self, host: &mut Host) {
        host.options.env = Vec::new();
        host.options.config = plugin::config(KEPT);
        host.relaunch();
        assert!(host.becomes_ready(), "the host starts after its deaths");
        load::settle(&self.ledger, &host.url);
        check(host, &self.ledger, &self.recorder);
    }

    pub(crate) fn summary(&self) -> String {
        let ledger = &self.ledger;
        format!(
            "crash: {} rounds ({} killed, {} at points, {} power cuts, {} past their point); \
             {} answers 200 for {} events, {} of them named a duplicate, {} answers 503; \
             {} requests arrived",
            self.round,
            self.kills,
            self.points,
            self.cuts,
            self.missed,
            ledger.answers(),
            ledger.numbers(),
            ledger.duplicates(),
            ledger.refused(),
            self.recorder.received().len(),
        )
    }
}

/// Ends a host that has worked enough; whether it was killed from outside.
fn end(host: &mut Host, death: Death, faults: &Faults) -> bool {
    match death {
        Death::Kill => {
            host.kill();
            true
        }
        // These points are on the way of a stop.
        Death::Point("empty-before" | "empty-after", _) => {
            host.stop();
            false
        }
        Death::Point(..) => {
            host.kill();
            true
        }
        Death::Power(_) => {
            faults.cut();
            host.wait_end();
            false
        }
    }
}
