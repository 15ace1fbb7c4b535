//! The child processes that are measured.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hookbox::toolchain;
use hookbox_testkit::usage::Usage;
use hookbox_testkit::{Host, HostOptions};

use crate::client::SECRET;

/// The plugin that handles every event.
pub(crate) const GOOD: &str = "order-finder";

/// One of the children.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) address: String,
    process: Process,
    handles: bool,
}

enum Process {
    Native(Child),
    Host(Box<Host>),
}

impl Peer {
    pub(crate) fn native() -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--native-peer")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no pipe")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self {
            name: "native".into(),
            address: address.trim().to_owned(),
            process: Process::Native(child),
            handles: false,
        })
    }

    /// A host with that in its `hookbox.toml`, and that filter of its log; empty for
    /// its default.
    pub(crate) fn host(
        name: &str,
        plugin: Option<&Path>,
        more: &str,
        log: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let auth = "[[auth]]\ntype = \"hmac\"\nsecret = \"env:LOAD_SECRET\"\n";
        let host = Host::start(
            env!("CARGO_BIN_EXE_hookbox"),
            HostOptions {
                config: format!("{auth}\n{more}"),
                env: vec![("LOAD_SECRET".into(), SECRET.into())],
                log: log.into(),
                brief: true,
                ..HostOptions::default()
            },
        );
        if let Some(plugin) = plugin {
            host.install(GOOD, &fs::read(plugin)?);
        }
        Ok(Self {
            name: name.into(),
            address: host.url.trim_start_matches("http://").to_owned(),
            process: Process::Host(Box::new(host)),
            handles: plugin.is_some(),
        })
    }

    /// The host, if it is one.
    pub(crate) fn as_host(&self) -> Option<&Host> {
        match &self.process {
            Process::Native(_) => None,
            Process::Host(host) => Some(host),
        }
    }

    /// Waits until everything that was posted is handled.
    pub(crate) fn wait_handled(&self) -> Result<(), Box<dyn Error>> {
        let (Process::Host(host), true) = (&self.process, self.handles) else {
            return Ok(());
        };
        hookbox_testkit::wait_for("the backlog to be handled", || {
            (host.api("/api/counts")["pending"] == 0).then_some(())
        });
        Ok(())
    }

    /// CPU time and memory of the child, as the kernel counts them.
    pub(crate) fn usage(&self) -> Result<Usage, Box<dyn Error>> {
        let pid = match &self.process {
            Process::Native(child) => child.id(),
            Process::Host(host) => host.pid(),
        };
        Ok(Usage::of(pid)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Process::Native(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Compiles the bundled plugin order-finder.
pub(crate) fn build_plugin() -> Result<PathBuf, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = root.join("target").join("load");
    fs::create_dir_all(&out)?;
    let mut say = |line: &str| eprintln!("  {line}");
    let built = toolchain::build_plugin(
        &root.join("plugins").join(GOOD),
        &out,
        &toolchain::Options::default(),
        &mut say,
    )?;
    Ok(built.component)
}
