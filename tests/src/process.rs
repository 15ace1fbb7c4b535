//! The host as a child process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Answer, Client};
use crate::log::{Log, field, message};
use crate::{samples, wait_for};

/// How to start a host.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// The text of `hookbox.toml`.
    pub config: String,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// The log's filter (`RUST_LOG`); empty for the host's own default.
    pub log: String,
    /// Of its log, keep only that it is up and the messages of panics, for hosts
    /// whose plugins say more than a test can hold.
    pub brief: bool,
    /// A folder for its files that stays; a scratch folder if `None`.
    pub folder: Option<PathBuf>,
}

/// A running host with folders of its own, which outlive a restart and, unless
/// they were named, go away with this value.
#[derive(Debug)]
pub struct Host {
    program: PathBuf,
    /// How it is started the next time.
    pub options: HostOptions,
    folder: PathBuf,
    /// Removes a scratch folder at the end.
    _scratch: Option<TempDir>,
    child: Child,
    /// Its log since the latest start.
    pub log: Log,
    /// The URL of its webhook listener, without a path.
    pub url: String,
    /// The URL of its admin listener, without a path.
    pub admin: String,
    client: Client,
}

/// What it says when it is up.
const UP: &str = "hookbox is up";

impl Host {
    /// Starts `program serve` with an empty plugins folder and waits until it is
    /// ready.
    ///
    /// # Panics
    /// When it doesn't start.
    #[must_use]
    pub fn start(program: impl Into<PathBuf>, options: HostOptions) -> Self {
        let mut host = Self::launch(program, options);
        host.wait_ready();
        host
    }

    /// Starts `program serve` and doesn't wait.
    ///
    /// # Panics
    /// When the program or its folders can't be used.
    #[must_use]
    pub fn launch(program: impl Into<PathBuf>, options: HostOptions) -> Self {
        let program = program.into();
        let scratch = match options.folder {
            None => Some(TempDir::new().expect("a scratch folder")),
            Some(_) => None,
        };
        let named = options.folder.clone();
        let folder = named.or_else(|| scratch.as_ref().map(|scratch| scratch.path().into()));
        let folder = folder.expect("one of the two");
        fs::create_dir_all(folder.join("plugins")).expect("a plugins folder");
        let (child, log) = spawn(&program, &folder, &options);
        Self {
            program,
            options,
            folder,
            _scratch: scratch,
            child,
            log,
            url: String::new(),
            admin: String::new(),
            client: Client::default(),
        }
    }

    /// Starts it again, on the same folders, after it has ended.
    pub fn restart(&mut self) {
        self.relaunch();
        self.wait_ready();
    }

    /// As [`Host::restart`], without waiting.
    pub fn relaunch(&mut self) {
        (self.child, self.log) = spawn(&self.program, &self.folder, &self.options);
    }

    /// Waits until it is ready or has ended; whether it is ready.
    pub fn becomes_ready(&mut self) -> bool {
        wait_for("the host to be ready or to end", || {
            if self.exited().is_some() {
                return Some(false);
            }
            let up = self.log.matching(|line| message(line) == UP);
            self.learn_addresses(up.first()?);
            let answer = self.client.get(&format!("{}/readyz", self.url)).ok()?;
            (answer.status == 200).then_some(true)
        })
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the system can't tell.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its state")
    }

    /// Waits until it ends by itself.
    pub fn wait_end(&mut self) -> ExitStatus {
        wait_for("the host to end", || self.exited())
    }

    fn wait_ready(&mut self) {
        let up = self
            .log
            .wait("the host to be up", |line| message(line) == UP);
        self.learn_addresses(&up);
        wait_for("the host to be ready", || {
            let answer = self.client.get(&format!("{}/readyz", self.url)).ok()?;
            (answer.status == 200).then_some(())
        });
    }

    fn learn_addresses(&mut self, up: &Value) {
        self.url = format!("http://{}", field(up, "listen"));
        self.admin = format!("http://{}", field(up, "admin"));
    }

    /// The plugins folder.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.folder.join("plugins")
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The child's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Puts a plugin into the folder, by rename.
    ///
    /// # Panics
    /// When the folder can't be written.
    pub fn drop_in(&self, name: &str, wasm: &[u8]) {
        let scratch = self.plugins().join(format!(".{name}.part"));
        fs::write(&scratch, wasm).expect("the plugins folder can be written");
        fs::rename(&scratch, self.plugins().join(format!("{name}.wasm"))).expect("renamed");
    }

    /// Writes a plugin's manifest.
    ///
    /// # Panics
    /// When the folder can't be written.
    pub fn manifest(&self, name: &str, text: &str) {
        fs::write(self.plugins().join(format!("{name}.toml")), text).expect("written");
    }

    /// Drops a plugin in and waits until it runs; returns its version.
    pub fn install(&self, name: &str, wasm: &[u8]) -> String {
        let before = self.version(name);
        self.drop_in(name, wasm);
        wait_for(&format!("{name} to run"), || {
            self.version(name)
                .filter(|version| Some(version) != before.as_ref())
        })
    }

    /// The version of a plugin that runs, as the admin API reports it.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<String> {
        self.plugin(name)?["version"].as_str().map(str::to_owned)
    }

    /// A plugin as the admin API reports it.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<Value> {
        let plugins = self.api("/api/plugins");
        let mut plugins = plugins["plugins"].as_array()?.iter();
        plugins.find(|plugin| plugin["plugin"] == name).cloned()
    }

    /// Gets JSON from the admin listener.
    ///
    /// # Panics
    /// When it doesn't answer 200.
    #[must_use]
    pub fn api(&self, path: &str) -> Value {
        let answer = self.client.get(&format!("{}{path}", self.admin));
        let answer = answer.expect("the admin listener answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// The value of a metric without labels.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn metric(&self, name: &str) -> u64 {
        let page = self.client.get(&format!("{}/metrics", self.admin));
        let page = page.expect("the admin listener answers").body;
        let value = page.lines().find_map(|line| line.strip_prefix(name));
        let value = value.and_then(|value| value.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no number {name} in:\n{page}"))
    }

    /// Posts to the admin listener, without a body.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn api_post(&self, path: &str) -> Answer {
        self.api_post_json(path, &Value::Null)
    }

    /// Posts JSON to the admin listener.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn api_post_json(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.admin);
        let headers = [("content-type", "application/json")];
        let body = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        let answer = self.client.post(&url, &headers, &body);
        answer.expect("the admin listener answers")
    }

    /// Posts a body to `/webhook` without authentication.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn post(&self, body: &[u8]) -> Answer {
        self.post_with(&[("content-type", "application/json")], body)
    }

    /// Posts a body to `/webhook` with exactly these headers.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    pub fn post_with(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let url = format!("{}/webhook", self.url);
        self.client
            .post(&url, headers, body)
            .expect("the host answers")
    }

    /// Posts a sample body that no earlier one equals.
    ///
    /// # Panics
    /// When it isn't answered 200.
    pub fn post_chat(&self, session: &str, message: &str) {
        let answer = self.post(samples::chat(session, message).as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Kills it at once, as `kill -9` does.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Asks it to stop, as Ctrl-C does, and waits.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn stop(&mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("signalled");
        self.child.wait().expect("reaped")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, folder: &Path, options: &HostOptions) -> (Child, Log) {
    let config = folder.join("hookbox.toml");
    fs::write(&config, &options.config).expect("the configuration is written");
    let mut command = Command::new(program);
    command
        .arg("serve")
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--log-format", "json"])
        .arg("--config")
        .arg(&config)
        .arg("--plugins")
        .arg(folder.join("plugins"))
        .arg("--data")
        .arg(folder.join("data"))
        .envs(options.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .stderr(Stdio::piped());
    if !options.log.is_empty() {
        command.env("RUST_LOG", &options.log);
    }
    let mut child = command.spawn().expect("the host's program starts");
    let stderr = child.stderr.take().expect("its log is piped");
    let log = if options.brief {
        Log::follow_some(stderr, is_up_or_panic)
    } else {
        Log::follow(stderr)
    };
    (child, log)
}

/// Whether a line, as it is written, is the one that tells the addresses, or none
/// that the host writes by itself: the message of a panic.
fn is_up_or_panic(line: &[u8]) -> bool {
    let from_plugin = has(line, br#""target":"hookbox::plugin""#);
    !line.starts_with(b"{") || (has(line, UP.as_bytes()) && !from_plugin)
}

fn has(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|part| part == word)
}
