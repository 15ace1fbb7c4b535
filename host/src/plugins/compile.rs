//! Has a file compiled by a child process, within bounds.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::debug;

use super::confine::Bounds;
use super::confine::probe::Report;
use super::talk::{self, Ended};
use crate::crash;

/// What compiling one file may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// The child's memory and CPU time. Its code can't be larger than its memory.
    pub bounds: Bounds,
    /// The time in all, when others need the CPU as well.
    pub wall: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            wall: Duration::from_secs(300),
        }
    }
}

/// Starts compile children.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    limits: CompileLimits,
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
    #[error(
        "compiling it took longer than {} s and was stopped; make it smaller, or raise `compile.wall`",
        .0.as_secs_f32()
    )]
    Timeout(Duration),
    /// It takes more CPU time than a plugin may.
    #[error(
        "compiling it took more than {} s of CPU time and was stopped; make it smaller, or raise `compile.cpu`",
        .0.as_secs_f32()
    )]
    Cpu(Duration),
    /// It takes more memory than a plugin may.
    #[error(
        "compiling it took more than {0} bytes of memory and was stopped; make it smaller, or raise `compile.memory`"
    )]
    Memory(u64),
    /// The child ended without an answer.
    #[error("the compiler crashed on it ({status}){complaint}")]
    Crashed {
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it said, if anything.
        complaint: String,
    },
    /// The child ended well and its answer is none.
    #[error("the compiler's answer can't be understood{complaint}")]
    Garbled {
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
    /// Children are `program compile`.
    #[must_use]
    pub fn new(program: PathBuf, limits: CompileLimits) -> Self {
        Self {
            program,
            limits,
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

    /// Has a child try what it must not be able to do.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub async fn self_test(&self) -> Result<Report, CompileError> {
        let mut command = self.command();
        command.arg("--self-test");
        let ended = self.talk(command, b"").await?;
        serde_json::from_slice(&ended.output).map_err(|_| self.failure(&ended))
    }

    /// To be run from a task, or a thread that lives as long as the host: the
    /// child dies with the thread that starts it.
    async fn talk(&self, mut command: Command, file: &[u8]) -> Result<Ended, CompileError> {
        let child = talk::start(&mut command)?;
        let wall = self.limits.wall;
        let talk = talk::talk(child, file, self.limits.bounds.memory);
        tokio::time::timeout(wall, talk)
            .await
            .map_err(|_elapsed| CompileError::Timeout(wall))?
    }

    fn command(&self) -> Command {
        let Bounds { memory, cpu, .. } = self.limits.bounds;
        let seconds = cpu.as_secs() + u64::from(cpu.subsec_nanos() > 0);
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(crash::for_child())
            .arg("compile")
            .args(["--parent", &std::process::id().to_string()])
            .args(["--memory", &memory.to_string()])
            .args(["--cpu", &seconds.to_string()]);
        command
    }

    /// What it means that a child ended without an answer.
    fn failure(&self, ended: &Ended) -> CompileError {
        let Bounds { memory, cpu, .. } = self.limits.bounds;
        let complaint = ended.shown_complaint();
        if ended.by_cpu_limit() {
            CompileError::Cpu(cpu)
        } else if ended.by_memory_limit() {
            CompileError::Memory(memory)
        } else if ended.status.success() {
            CompileError::Garbled { complaint }
        } else {
            CompileError::Crashed {
                status: ended.status,
                complaint,
            }
        }
    }
}

impl Turn<'_> {
    /// Compiles the content of one file into code for
    /// [`crate::sandbox::Sandbox::load`]. Dropping the future ends the child.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub async fn compile(&self, file: &[u8]) -> Result<Vec<u8>, CompileError> {
        let compiler = self.compiler;
        let mut ended = compiler.talk(compiler.command(), file).await?;
        // The first it says: without it, nothing confines it.
        let Some(confinement) = ended.take_confinement() else {
            return Err(compiler.failure(&ended));
        };
        debug!(
            landlock = %confinement.landlock, seccomp = %confinement.seccomp,
            "the compile child was confined"
        );
        match ended.take_answer() {
            Some(Ok(code)) => Ok(code),
            Some(Err(problem)) => Err(CompileError::Refused(problem)),
            None => Err(compiler.failure(&ended)),
        }
    }
}

/// The program of the compile child: this program itself, even if its file has
/// been replaced since the start.
#[must_use]
pub fn own_program() -> PathBuf {
    Path::new("/proc/self/exe").to_owned()
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
