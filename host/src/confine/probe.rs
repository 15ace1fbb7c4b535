//! Confines a process as the host would be and tries both what must not work and
//! what must: for `hookbox doctor`, and for tests.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener, ToSocketAddrs as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, getpid, getppid, pidfd_getfd, pidfd_open, test_kill_process,
};
use serde::{Deserialize, Serialize};

use super::{ConfineError, Confinement, Mode, Needs, confine};

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What is in force; `None` if nothing was to be given up.
    pub confinement: Option<Confinement>,
    /// What a host does.
    pub needed: Vec<Tried>,
    /// What it never does.
    pub forbidden: Vec<Tried>,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What.
    pub what: String,
    /// Why it didn't work; `None` if it did.
    pub refused: Option<String>,
}

/// Confines this process as a host with these needs and tries everything once.
/// `program` is what a host starts as its child. Nothing is changed for long: a
/// folder that a host would make first is left out.
///
/// # Errors
/// As [`confine`].
pub fn run(mode: Mode, needs: &Needs, program: &Path) -> Result<Report, ConfineError> {
    let folders = needs.plugins.iter().chain([&needs.data]);
    let there: Vec<_> = folders.filter(|folder| folder.exists()).collect();
    let confinement = confine(mode, needs)?;
    let mut needed = vec![
        tried("start a thread", start_thread()),
        tried("start itself", start(program, &["--version"])),
        tried("resolve a name", ("localhost", 0).to_socket_addrs()),
    ];
    for folder in there {
        let what = format!("list {}", folder.display());
        needed.push(tried(&what, fs::read_dir(folder)));
    }
    let forbidden = vec![
        tried("list the root folder", fs::read_dir("/")),
        tried("write to a file that isn't its own", write_file()),
        tried(
            "run another program",
            start(Path::new("/bin/sh"), &["-c", ":"]),
        ),
        tried("signal the process that started it", signal_parent()),
        tried("listen on another port", listen_elsewhere(&needs.ports)),
        tried("take a process's descriptor", take_descriptor()),
        tried("change the root folder", rustix::process::chroot("/")),
    ];
    Ok(Report {
        confinement,
        needed,
        forbidden,
    })
}

fn tried<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Tried {
    Tried {
        what: what.to_owned(),
        refused: result.err().map(|error| error.to_string()),
    }
}

/// In the folder for such files.
fn write_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("hookbox-probe-{}", std::process::id()));
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)?;
    Ok(made)
}

fn start(program: &Path, args: &[&str]) -> io::Result<()> {
    let status = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("it ended with {status}")))
    }
}

fn start_thread() -> io::Result<()> {
    let thread = thread::Builder::new().spawn(|| ())?;
    thread.join().map_err(|_| io::Error::other("it panicked"))
}

fn signal_parent() -> io::Result<()> {
    // In another namespace than this process there is none that it could name.
    let parent = getppid().ok_or_else(|| io::Error::other("it can't be named"))?;
    Ok(test_kill_process(parent)?)
}

/// On the first port after its own.
fn listen_elsewhere(ports: &[u16]) -> io::Result<TcpListener> {
    if ports.contains(&0) {
        return Err(io::Error::other("it may listen on any"));
    }
    let other = ports.iter().max().map_or(0, |port| port.wrapping_add(1));
    TcpListener::bind((Ipv4Addr::LOCALHOST, other))
}

/// A process may do that with itself.
fn take_descriptor() -> io::Result<()> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    pidfd_getfd(own, 0, PidfdGetfdFlags::empty())?;
    Ok(())
}
