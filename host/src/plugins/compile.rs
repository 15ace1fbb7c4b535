//! Has a file compiled by a child process, within bounds.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::child::Answer;

/// The largest answer of a child that is taken, in bytes.
const MAX_ANSWER: u64 = 1 << 30;

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

/// The right to start the one child.
#[derive(Debug)]
pub struct Turn<'a> {
    compiler: &'a Compiler,
    _permit: SemaphorePermit<'a>,
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
        /// The beginning of what it said, if anything.
        complaint: String,
    },
    /// It makes more code than the host holds.
    #[error(
        "it compiles to more than {0} bytes of code, which is more than the host takes; make it smaller"
    )]
    TooMuchCode(u64),
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

    /// Waits until no other child runs. To be taken before the file is read:
    /// files that wait for their turn would fill the memory.
    ///
    /// # Errors
    /// Never in practice: the semaphore isn't closed.
    pub async fn turn(&self) -> Result<Turn<'_>, CompileError> {
        let permit = self.turn.acquire().await.map_err(io::Error::other)?;
        Ok(Turn {
            compiler: self,
            _permit: permit,
        })
    }
}

impl Turn<'_> {
    /// Compiles the content of one file into code for
    /// [`crate::sandbox::Sandbox::load`]. Dropping the future ends the child.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub async fn compile(&self, file: &[u8]) -> Result<Vec<u8>, CompileError> {
        let child = start(Command::new(&self.compiler.program).arg("compile"))?;
        let timeout = self.compiler.timeout;
        tokio::time::timeout(timeout, talk(child, file, MAX_ANSWER))
            .await
            .map_err(|_elapsed| CompileError::Timeout(timeout))?
    }
}

fn start(command: &mut Command) -> io::Result<Child> {
    command
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

async fn talk(mut child: Child, file: &[u8], most: u64) -> Result<Vec<u8>, CompileError> {
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
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
        let mut answer = Vec::new();
        let mut bounded = stdout.take(most.saturating_add(1));
        bounded.read_to_end(&mut answer).await?;
        if answer.len() as u64 > most {
            return Err(CompileError::TooMuchCode(most));
        }
        Ok(answer)
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
    let ((), answer, complaint) = tokio::try_join!(send, receive, listen)?;
    let status = child.wait().await?;
    match parse(answer) {
        Some((Answer::Compiled, code)) if status.success() => Ok(code),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Much longer than any of these take.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn answer_of(script: &str, most: u64) -> Result<Vec<u8>, CompileError> {
        let child = start(Command::new("/bin/sh").args(["-c", script])).expect("a shell");
        tokio::time::timeout(PATIENCE, talk(child, b"file", most))
            .await
            .expect("it isn't stuck")
    }

    #[tokio::test]
    async fn a_child_that_says_a_lot_still_answers() {
        let script = "/usr/bin/head -c 1000000 /dev/zero >&2; echo '\"compiled\"'; printf code";
        assert_eq!(answer_of(script, 100).await.expect("an answer"), b"code");
    }

    #[tokio::test]
    async fn a_child_that_answers_without_end_is_stopped_and_said_so() {
        let script = "echo '\"compiled\"'; while :; do echo code; done";
        let answer = answer_of(script, 100_000).await;
        assert!(
            matches!(answer, Err(CompileError::TooMuchCode(100_000))),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn a_child_that_crashes_is_quoted() {
        let problem = answer_of("echo out of luck >&2; exit 3", 100).await;
        let problem = problem.expect_err("no answer").to_string();
        assert!(problem.contains("out of luck"), "{problem}");
    }
}
