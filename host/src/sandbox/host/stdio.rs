//! stdout and stderr: their lines become lines of the attempt's log.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::sandbox::log::{Level, LineBuffer};
use crate::sandbox::state::{SharedLog, log_line};
use crate::types::Redactor;

/// How many bytes a handler may write at once; the next write is possible at
/// once, so this bounds the copy and the search for secrets, in which the handler
/// can't be interrupted.
const WRITE_PERMIT: usize = 64 << 10;

/// One of the two streams. All handles that a component gets to it share the
/// line that is not complete yet.
#[derive(Clone)]
pub(super) struct LogStream {
    shared: Arc<Shared>,
}

struct Shared {
    level: Level,
    name: &'static str,
    buffer: Mutex<LineBuffer>,
    log: SharedLog,
    redactor: Redactor,
}

impl LogStream {
    pub(super) fn stdout(log: &SharedLog) -> Self {
        Self::new(Level::Info, "stdout", log)
    }

    pub(super) fn stderr(log: &SharedLog) -> Self {
        Self::new(Level::Warn, "stderr", log)
    }

    fn new(level: Level, name: &'static str, log: &SharedLog) -> Self {
        let redactor = log.lock().unwrap_or_else(PoisonError::into_inner);
        let redactor = redactor.redactor().clone();
        Self {
            shared: Arc::new(Shared {
                level,
                name,
                buffer: Mutex::default(),
                log: Arc::clone(log),
                redactor,
            }),
        }
    }

    fn append(&self, bytes: &[u8]) {
        self.shared
            .buffer()
            .write(bytes, &self.shared.redactor, |line| self.shared.emit(line));
    }
}

impl Shared {
    fn buffer(&self) -> MutexGuard<'_, LineBuffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn emit(&self, line: &str) {
        log_line(&self.log, self.level, self.name, line);
    }
}

impl Drop for Shared {
    /// The last line may lack its end.
    fn drop(&mut self) {
        self.buffer().flush(&self.redactor, |line| self.emit(line));
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_PERMIT {
            return Err(StreamError::trap("write exceeded the stream's permit"));
        }
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::log::{AttemptLog, LogLimits, Source};
    use crate::types::redact::Forms;
    use crate::types::{DeliveryId, EndpointName, EventId, PluginName};

    #[test]
    fn a_secret_that_is_written_in_pieces_is_in_no_line() {
        let source = Source {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new("test").expect("a good name"),
            event: EventId::generate(),
            delivery: DeliveryId(1),
        };
        let forms = Forms::of("s3cret-token").expect("few forms");
        let redactor = Redactor::new([Arc::new(forms)]);
        let limits = LogLimits {
            bytes: 10_000,
            lines: 100,
        };
        let log = AttemptLog::new(source, limits).redacting(redactor);
        let log = Arc::new(Mutex::new(log));
        let (mut out, mut err) = (LogStream::stdout(&log), LogStream::stderr(&log));
        for piece in ["it is s3c", "ret-to", "ken!\nand s3cret", "-token"] {
            OutputStream::write(&mut out, Bytes::from(piece)).expect("it takes all");
            OutputStream::write(&mut err, Bytes::from(piece)).expect("it takes all");
        }
        drop((out, err));
        let lines = log.lock().expect("not poisoned").take_lines();
        let lines: Vec<_> = lines.iter().map(|line| &*line.message).collect();
        assert_eq!(
            lines,
            [
                "it is [secret]!",
                "it is [secret]!",
                "and [secret]",
                "and [secret]"
            ]
        );
    }

    #[test]
    fn no_write_is_larger_than_what_is_permitted() {
        let source = Source {
            endpoint: EndpointName::default_endpoint(),
            plugin: PluginName::new("test").expect("a good name"),
            event: EventId::generate(),
            delivery: DeliveryId(1),
        };
        let limits = LogLimits {
            bytes: 1 << 20,
            lines: 100,
        };
        let log = Arc::new(Mutex::new(AttemptLog::new(source, limits)));
        let mut out = LogStream::stdout(&log);
        let permit = out.check_write().expect("there is always one");
        let bytes = Bytes::from(vec![b'x'; permit + 1]);
        OutputStream::write(&mut out, bytes.slice(1..)).expect("as much as it may");
        let error = OutputStream::write(&mut out, bytes).expect_err("one more");
        assert!(matches!(error, StreamError::Trap(_)), "{error}");
    }
}
