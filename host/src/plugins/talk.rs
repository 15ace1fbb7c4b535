//! Talks to a compile child: the file in, the answer out. Nothing that the child
//! says is trusted further than its code has to be.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::child::Answer;
use super::compile::CompileError;
use super::confine::Confinement;
use crate::types::text::{brief, plain};

/// How much of what a crashing child said is shown, in bytes.
const MAX_COMPLAINT: u64 = 2 << 10;

/// The longest line of an answer, in bytes.
const MAX_LINE: usize = 256 << 10;

/// How much of a problem is shown, in characters.
const MAX_PROBLEM: usize = 8 << 10;

/// A child that runs; dropping it ends it, and whatever is in its group.
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Once it has been waited for, the number may be another's.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // The child may not have come to make its group: then the drop of
            // the child itself kills it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Starts a child in a group of its own, with pipes and no other descriptor.
pub(super) fn start(command: &mut Command) -> io::Result<Running> {
    // The standard library's own are closed anyway; those that the host was
    // started with, or that a library opened, aren't.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    command
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map(Running)
}

/// What a child said, and how it ended.
pub(super) struct Ended {
    pub(super) output: Vec<u8>,
    complaint: Vec<u8>,
    pub(super) status: ExitStatus,
}

/// Sends the file and takes at most `most` bytes of answer.
pub(super) async fn talk(
    mut child: Running,
    file: &[u8],
    most: u64,
) -> Result<Ended, CompileError> {
    let pipes = &mut child.0;
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (pipes.stdin.take(), pipes.stdout.take(), pipes.stderr.take())
    else {
        return Err(CompileError::Io(io::Error::other("its pipes are missing")));
    };
    let send = async {
        // A child that has seen enough closes its end: its answer says why.
        let _ = stdin.write_all(file).await;
        drop(stdin);
        Ok(())
    };
    let receive = async {
        let mut output = Vec::new();
        let mut bounded = stdout.take(most.saturating_add(1));
        bounded.read_to_end(&mut output).await?;
        if output.len() as u64 > most {
            return Err(CompileError::TooMuchCode(most));
        }
        Ok(output)
    };
    let listen = async {
        let mut complaint = Vec::new();
        let mut beginning = (&mut stderr).take(MAX_COMPLAINT);
        beginning.read_to_end(&mut complaint).await?;
        // What nobody reads would block the child once its pipe is full.
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
        Ok(complaint)
    };
    // The first failure drops the child, which ends it.
    let ((), output, complaint) = tokio::try_join!(send, receive, listen)?;
    let status = child.0.wait().await?;
    Ok(Ended {
        output,
        complaint,
        status,
    })
}

impl Ended {
    /// The answer's first line.
    pub(super) fn take_confinement(&mut self) -> Option<Confinement> {
        self.take_line()
    }

    /// The answer's second line and what follows it: the code, or what is wrong
    /// with the file.
    pub(super) fn take_answer(&mut self) -> Option<Result<Vec<u8>, String>> {
        match self.take_line()? {
            Answer::Compiled if self.status.success() => Some(Ok(std::mem::take(&mut self.output))),
            Answer::Compiled => None,
            Answer::Refused { problem } => Some(Err(printable(&problem))),
        }
    }

    fn take_line<T: DeserializeOwned>(&mut self) -> Option<T> {
        let beginning = &self.output[..self.output.len().min(MAX_LINE)];
        let end = beginning.iter().position(|&byte| byte == b'\n')?;
        let value = serde_json::from_slice(&self.output[..end]).ok()?;
        self.output.drain(..=end);
        Some(value)
    }

    /// Whether the system ended it because its CPU time was used up.
    pub(super) fn by_cpu_limit(&self) -> bool {
        self.status.signal() == Some(Signal::XCPU.as_raw())
    }

    /// Whether it ended itself because it got no memory.
    pub(super) fn by_memory_limit(&self) -> bool {
        // What Rust's standard library says before it aborts.
        self.status.signal() == Some(Signal::ABORT.as_raw())
            && self.complaint.starts_with(b"memory allocation of ")
    }

    /// The beginning of what it said, as the end of a message.
    pub(super) fn shown_complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.complaint);
        match plain(text.trim()).into_owned() {
            nothing if nothing.is_empty() => nothing,
            text => format!(": {text}"),
        }
    }
}

/// What the child says quotes hostile bytes: nothing that a terminal would obey,
/// and not without end.
fn printable(problem: &str) -> String {
    brief(problem, MAX_PROBLEM).into_owned()
}
