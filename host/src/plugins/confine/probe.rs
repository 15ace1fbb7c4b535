//! Tries what a confined process must not be able to do, and says what came of
//! it: the child's self-test.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use super::{Bounds, Confinement, Step};

/// What came of the self-test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What is active, as the child says.
    pub confinement: Confinement,
    /// How many environment variables there are.
    pub variables: usize,
    /// How many descriptors were open at the start.
    pub descriptors: usize,
    /// What was tried after each step.
    pub tried: Vec<Tried>,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// After which step.
    pub step: Step,
    /// What.
    pub what: String,
    /// Why it didn't work; `None` if it did.
    pub refused: Option<String>,
}

/// Tries everything once. `parent` is asked for before: even that is refused
/// at the end.
pub(in crate::plugins) fn attempt(step: Step, parent: Pid, bounds: Bounds) -> Vec<Tried> {
    let all = [
        ("read a file", read_file()),
        ("list a folder", fs::read_dir("/").map(drop)),
        ("write a file", write_file()),
        (
            "open a TCP socket",
            TcpListener::bind("127.0.0.1:0").map(drop),
        ),
        (
            "open a UDP socket",
            UdpSocket::bind("127.0.0.1:0").map(drop),
        ),
        ("open a Unix socket", UnixDatagram::unbound().map(drop)),
        ("start a process", start_process()),
        ("start a thread", start_thread()),
        ("signal the host", signal(parent)),
        ("open a descriptor", copy_descriptor()),
        ("take too much memory", take_memory(bounds)),
        (
            "run code of its own",
            crate::sandbox::compile::run_something(),
        ),
    ];
    let tried = |(what, result): (&str, io::Result<()>)| Tried {
        step,
        what: what.to_owned(),
        refused: result.err().map(|error| error.to_string()),
    };
    all.into_iter().map(tried).collect()
}

fn read_file() -> io::Result<()> {
    File::open("/etc/passwd").map(drop)
}

fn write_file() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("hookbox-probe-{}", std::process::id()));
    File::create_new(&path)?;
    fs::remove_file(path)
}

fn start_process() -> io::Result<()> {
    Command::new("/bin/sh")
        .args(["-c", ":"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map(drop)
}

fn start_thread() -> io::Result<()> {
    let thread = thread::Builder::new().spawn(|| ())?;
    thread.join().map_err(|_| io::Error::other("it panicked"))
}

fn signal(process: Pid) -> io::Result<()> {
    Ok(test_kill_process(process)?)
}

fn copy_descriptor() -> io::Result<()> {
    io::stdin().as_fd().try_clone_to_owned().map(drop)
}

fn take_memory(bounds: Bounds) -> io::Result<()> {
    let bytes = usize::try_from(bounds.memory).unwrap_or(usize::MAX);
    let mut memory = Vec::<u8>::new();
    memory.try_reserve_exact(bytes).map_err(io::Error::other)
}
