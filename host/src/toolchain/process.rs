//! Runs programs and hands their lines on as they come.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::Error;

/// Lines of a failed program that go into the error.
const TAIL: usize = 12;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// What a program is run with.
pub(super) struct Run<'a> {
    /// For messages: what is being done.
    pub(super) what: &'a str,
    /// What to do when the program isn't there.
    pub(super) hint: &'static str,
    /// The longest that it may take.
    pub(super) limit: Option<Duration>,
}

/// The text of a successful, short program's stdout; none if it failed.
pub(super) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Run<'_> {
    /// Runs `command` to its end, or kills it at the limit.
    pub(super) fn lines(
        &self,
        command: &mut Command,
        each: &mut dyn FnMut(Stream, &str),
    ) -> Result<(), Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start {
                program,
                source,
                hint: self.hint,
            })?;

        let (sender, receiver) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, Stream::Out, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, Stream::Err, sender.clone());
        }
        drop(sender);

        let deadline = self.limit.map(|limit| Instant::now() + limit);
        let mut tail = Vec::new();
        loop {
            let received = match deadline {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(end) => receiver.recv_timeout(end.saturating_duration_since(Instant::now())),
            };
            match received {
                Ok((stream, line)) => {
                    each(stream, &line);
                    if stream == Stream::Err && !line.trim().is_empty() {
                        if tail.len() == TAIL {
                            tail.remove(0);
                        }
                        tail.push(line);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    // Gone already is as good as killed.
                    let _ = child.kill();
                    let _ = child.wait();
                    let status = format!("stopped after {} s", self.seconds());
                    return Err(Error::Failed {
                        what: self.what.to_owned(),
                        status,
                        tail,
                    });
                }
            }
        }
        let status = child.wait().map_err(|source| Error::Start {
            program: self.what.to_owned(),
            source,
            hint: self.hint,
        })?;
        self.check(status, tail)
    }

    fn seconds(&self) -> u64 {
        self.limit.unwrap_or_default().as_secs()
    }

    fn check(&self, status: ExitStatus, tail: Vec<String>) -> Result<(), Error> {
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            what: self.what.to_owned(),
            status: status.to_string(),
            tail,
        })
    }
}

/// Reads lines on a thread of its own, so that neither pipe fills up. The thread
/// ends with the pipe.
fn forward(pipe: impl Read + Send + 'static, stream: Stream, to: Sender<(Stream, String)>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if to.send((stream, line)).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Run, Stream, answer};
    use crate::toolchain::Error;

    const RUN: Run<'static> = Run {
        what: "the test",
        hint: "install it",
        limit: None,
    };

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_streams_arrive() {
        let mut lines = Vec::new();
        RUN.lines(&mut sh("echo one; echo two >&2"), &mut |stream, line| {
            lines.push((stream == Stream::Err, line.to_owned()));
        })
        .expect("it succeeds");
        lines.sort();
        assert_eq!(lines, [(false, "one".to_owned()), (true, "two".to_owned())]);
    }

    #[test]
    fn a_failure_carries_the_end_of_what_was_said() {
        let error = RUN
            .lines(&mut sh("seq 1 30 >&2; exit 3"), &mut |_, _| ())
            .expect_err("it fails")
            .to_string();
        assert!(
            error.starts_with("the test failed (exit status: 3)"),
            "{error}"
        );
        assert!(
            error.ends_with("\n    30") && !error.contains("\n    18\n"),
            "{error}"
        );
    }

    #[test]
    fn a_program_past_its_limit_is_stopped() {
        let run = Run {
            limit: Some(Duration::from_millis(20)),
            ..RUN
        };
        let error = run
            .lines(&mut sh("exec sleep 60"), &mut |_, _| ())
            .expect_err("too slow");
        assert!(error.to_string().contains("stopped after"), "{error}");
    }

    #[test]
    fn a_missing_program_says_what_to_do() {
        let error = RUN
            .lines(&mut Command::new("/nonexistent/program"), &mut |_, _| ())
            .expect_err("not there");
        assert!(matches!(error, Error::Start { .. }));
        assert!(error.to_string().ends_with("install it"), "{error}");
    }

    #[test]
    fn an_answer_is_had_only_from_success() {
        assert_eq!(answer(&mut sh("echo yes")).as_deref(), Some("yes\n"));
        assert_eq!(answer(&mut sh("echo yes; exit 1")), None);
    }
}
