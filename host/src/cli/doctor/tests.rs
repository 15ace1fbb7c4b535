#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::report::{Level, Line};
use super::*;
use crate::contract;
use crate::journal::JournalOptions;
use crate::journal::sqlite::SqliteJournal;

/// A host's folders, with a configuration that has these lines and free ports.
struct Bench {
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Bench {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hookbox.toml");
        let free = "plugins = 'plugins'\ndata = 'data'\nlisten = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'\n";
        fs::write(&file, format!("{free}{config}")).unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        let settings = Settings {
            config: Some(file),
            ..Settings::default()
        };
        Self { folder, settings }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn plugin(&self, file: &str, content: &[u8]) {
        fs::write(self.folder.path().join("plugins").join(file), content).unwrap();
    }

    fn report(&self) -> Report {
        examine(&self.settings, &|_| None, &in_process)
    }
}

/// What the child would say; the program of a unit test has no such command.
fn in_process(bytes: &[u8]) -> Result<Vec<String>, String> {
    let (_, inspection) = contract::read(bytes).map_err(|error| error.to_string())?;
    match inspection.problems.first() {
        Some(problem) => Err(problem.to_string()),
        None => Ok(inspection
            .handlers
            .interfaces()
            .map(str::to_owned)
            .collect()),
    }
}

fn about<'r>(report: &'r Report, topic: &str) -> Vec<&'r Line> {
    let lines = report.lines.iter().filter(|line| line.topic == topic);
    lines.collect()
}

fn levels(report: &Report, topic: &str) -> Vec<Level> {
    about(report, topic).iter().map(|line| line.level).collect()
}

#[test]
fn a_manifest_gets_only_the_secrets_that_are_allowed() {
    let bench =
        Bench::new("[secrets]\nKEY = {from = 'file:key', plugins = ['a']}\nGONE = 'file:gone'\n");
    let component = hookbox_testkit::wat::logs(hookbox_testkit::wat::World::ChatPush, "hi");
    for name in ["a", "b"] {
        bench.plugin(&format!("{name}.wasm"), &component);
        bench.plugin(&format!("{name}.toml"), b"[secrets]\nk = 'KEY'\n");
    }
    fs::write(bench.folder.path().join("key"), "12345678").unwrap();
    let report = bench.report();
    assert_eq!(levels(&report, "secret secrets.GONE"), [Level::Problem]);
    assert_eq!(
        levels(&report, "secret secrets.KEY"),
        [Level::Warning],
        "{}",
        report.text()
    );

    fs::write(bench.folder.path().join("gone"), "not-any-more").unwrap();
    let report = bench.report();
    assert_eq!(
        levels(&report, "plugin a"),
        [Level::Ok],
        "{}",
        report.text()
    );
    assert_eq!(levels(&report, "plugin b"), [Level::Problem]);
    assert!(
        about(&report, "plugin b")[0]
            .found
            .contains("plugins = [\"b\"]")
    );
}

#[test]
fn a_fresh_folder_is_in_order() {
    let bench = Bench::new("");
    let report = bench.report();
    assert_eq!(report.problems(), 0, "{}", report.text());
    assert_eq!(levels(&report, "configuration"), [Level::Ok]);
    assert_eq!(levels(&report, "store"), [Level::Ok]);
    assert_eq!(
        levels(&report, "plugins of default"),
        [Level::Ok, Level::Warning]
    );
    assert!(!bench.data().exists(), "the doctor makes nothing");
    assert!(
        report.text().contains("\n0 problems, "),
        "{}",
        report.text()
    );
    assert_eq!(report.json()["problems"], 0);
}

#[test]
fn a_wrong_configuration_and_every_missing_secret_are_told() {
    let report = Bench::new("lisen = 1\n").report();
    let line = about(&report, "configuration")[0];
    assert_eq!(line.level, Level::Problem);
    assert!(
        line.found.contains("did you mean `listen`"),
        "{}",
        line.found
    );

    let auth = "auth = [{type = 'hmac', secret = 'env:A'}, {type = 'hmac', secret = 'file:no'}]\n";
    let report = Bench::new(auth).report();
    assert_eq!(report.problems(), 2, "{}", report.text());
    assert_eq!(levels(&report, "secret auth[0].secret"), [Level::Problem]);
    assert_eq!(levels(&report, "secret auth[1].secret"), [Level::Problem]);
    assert_eq!(levels(&report, "the rest"), [Level::Warning]);
}

#[test]
fn authorities_that_a_host_could_not_start_with_are_a_problem() {
    let bench = Bench::new("[outbound]\nca_file = 'ca.pem'\n");
    let level = |bench: &Bench| levels(&bench.report(), "outbound.ca_file");
    assert_eq!(level(&bench), [Level::Problem]);
    let file = bench.folder.path().join("ca.pem");
    fs::write(&file, "none").unwrap();
    assert_eq!(level(&bench), [Level::Problem]);
    let own = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    fs::write(&file, own.cert.pem()).unwrap();
    assert_eq!(level(&bench), [Level::Ok]);
}

#[test]
fn folders_must_be_usable_and_private() {
    let bench = Bench::new("");
    fs::create_dir(bench.data()).unwrap();
    for (mode, level) in [
        (0o700, None),
        (0o750, Some(Level::Warning)),
        (0o770, Some(Level::Problem)),
    ] {
        fs::set_permissions(bench.data(), fs::Permissions::from_mode(mode)).unwrap();
        let report = bench.report();
        assert_eq!(
            levels(&report, "data folder").get(1).copied(),
            level,
            "{mode:o}"
        );
    }
    fs::remove_dir(bench.data()).unwrap();
    fs::write(bench.data(), "").unwrap();
    assert_eq!(levels(&bench.report(), "data folder"), [Level::Problem]);
}

#[test]
fn a_program_on_the_port_is_named_a_problem() {
    // Nobody answers: the doctor waits no longer than its bound for that.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::thread::spawn(move || drop(taken.accept()));
    let mut bench = Bench::new("");
    let text = format!("listen = '{address}'\nadmin.listen = '127.0.0.1:0'\n");
    let file = bench.folder.path().join("taken.toml");
    fs::write(&file, text).unwrap();
    bench.settings.config = Some(file);
    let report = bench.report();
    let line = about(&report, "webhooks address")[0];
    assert_eq!(line.level, Level::Problem, "{line:?}");
    assert!(line.advice.as_ref().unwrap().contains("--listen"));
}

#[test]
fn plugins_are_checked_as_the_host_would() {
    let bench = Bench::new("");
    bench.plugin("none.wasm", &wat::parse_str("(component)").unwrap());
    bench.plugin("junk.wasm", b"junk");
    bench.plugin("Upper.wasm", b"junk");
    bench.plugin("junk.toml", b"enabeld = true");
    let report = bench.report();
    assert_eq!(levels(&report, "plugin none"), [Level::Problem]);
    assert_eq!(levels(&report, "plugin"), [Level::Warning]);
    let junk = about(&report, "plugin junk")[0];
    assert!(
        junk.found.contains("did you mean `enabled`"),
        "{}",
        junk.found
    );
    // `hookbox check` looks at the .wasm only: it has nothing to say of a manifest.
    assert_eq!(junk.advice, None);
}

#[tokio::test]
async fn a_store_that_a_host_has_open_is_only_glanced_at() {
    use crate::journal::Upkeep as _;
    let bench = Bench::new("");
    let options = JournalOptions::default();
    let journal = SqliteJournal::open(&bench.data(), options, std::sync::Arc::new(|_| {})).unwrap();
    let held = bench.report();
    let process = format!("process {}", std::process::id());
    assert!(held.text().contains(&process), "{}", held.text());
    assert!(held.text().contains("not checked whole"), "{}", held.text());
    journal.close().await;
    let free = bench.report();
    assert!(
        free.text().contains("checked whole: no damage"),
        "{}",
        free.text()
    );
    assert_eq!(free.problems(), 0, "{}", free.text());
}
