//! Has a file compiled by a child process, within bounds.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::child::Answer;
use crate::types::Handlers;

/// The largest compiled code that is taken, in bytes.
const MAX_CODE: u64 = 1 << 30;

/// How much of what a crashing child said is shown, in bytes.
const MAX_COMPLAINT: u64 = 2 << 10;

/// Starts compile children.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    timeout: Duration,
    /// One at a time: compiling must not take the machine away from ingest.
    turn: Arc<Semaphore>,
}

/// What a child made of a file.
#[derive(Debug)]
pub struct Compiled {
    /// The handlers that the component exports.
    pub handlers: Handlers,
    /// Code for [`crate::sandbox::Sandbox::load`].
    pub code: Vec<u8>,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The file is at fault.
    #[error("{0}")]
    Refused(String),
    /// It takes longer than a plugin may.
    #[error("compiling it took longer than {} s and was stopped", .0.as_secs())]
    Timeout(Duration),
    /// The child ended without an answer.
    #[error("the compiler crashed on it ({status}){complaint}")]
    Crashed {
        /// How it ended.
        status: ExitStatus,
        /// The last that it said, if anything.
        complaint: String,
    },
    /// The child can't be started or talked to.
    #[error("the compiler can't be run: {0}")]
    Io(#[from] io::Error),
}

impl Compiler {
    /// Children are `program compile`; each may take `timeout`.
    #[must_use]
    pub fn new(program: PathBuf, timeout: Duration) -> Self {
        Self {
            program,
            timeout,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Compiles the content of one file. Dropping the future ends the child.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub async fn compile(&self, file: &[u8]) -> Result<Compiled, CompileError> {
        // The semaphore is never closed.
        let _turn = self.turn.acquire().await.map_err(io::Error::other)?;
        let child = Command::new(&self.program)
            .arg("compile")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        tokio::time::timeout(self.timeout, talk(child, file))
            .await
            .map_err(|_elapsed| CompileError::Timeout(self.timeout))?
    }
}

async fn talk(mut child: Child, file: &[u8]) -> Result<Compiled, CompileError> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::Io(io::Error::other("its pipes are missing")));
    };
    let send = async {
        // A child that has seen enough closes its end: its answer says why.
        let _ = stdin.write_all(file).await;
        drop(stdin);
    };
    let mut answer = Vec::new();
    let mut complaint = Vec::new();
    let mut stdout = stdout.take(MAX_CODE);
    let mut stderr = stderr.take(MAX_COMPLAINT);
    let ((), answered, _) = tokio::join!(
        send,
        stdout.read_to_end(&mut answer),
        stderr.read_to_end(&mut complaint)
    );
    answered?;
    let status = child.wait().await?;
    match parse(answer) {
        Some((Answer::Compiled { handlers }, code)) if status.success() => {
            Ok(Compiled { handlers, code })
        }
        Some((Answer::Refused { problem }, _)) => Err(CompileError::Refused(problem)),
        _ => Err(CompileError::Crashed {
            status,
            complaint: shown(&complaint),
        }),
    }
}

fn parse(mut answer: Vec<u8>) -> Option<(Answer, Vec<u8>)> {
    let line_end = answer.iter().position(|&byte| byte == b'\n')?;
    let code = answer.split_off(line_end + 1);
    Some((serde_json::from_slice(&answer).ok()?, code))
}

fn shown(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    match text.trim().escape_debug().to_string() {
        nothing if nothing.is_empty() => nothing,
        text => format!(": {text}"),
    }
}
