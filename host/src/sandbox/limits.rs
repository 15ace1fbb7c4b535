//! What one attempt may use.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::log::LogLimits;

/// The limits of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Bytes of linear memories and tables, of all its instances together.
    pub memory: u64,
    /// CPU time, measured while the handler runs; waiting doesn't count.
    pub cpu: Duration,
    /// Time in all, waiting included.
    pub wall: Duration,
    /// Bytes of log.
    pub log: usize,
    /// Lines of log.
    pub log_lines: usize,
    /// Bytes that it hands to the host in one call, or in its answer: what the host
    /// copies isn't counted as its memory.
    pub host_data: usize,
    /// Handles of WASI that it holds at once: streams, pollables, requests, headers.
    /// Some hold memory of the host's.
    pub handles: usize,
    /// Random bytes in all.
    pub random: u64,
    /// What it may keep and have sent.
    pub effects: EffectLimits,
    /// What it may request itself.
    pub http: HttpLimits,
}

/// What an attempt may request by `wasi:http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Requests in all, refused ones included.
    pub requests: usize,
    /// Requests that are under way or whose answers are being read.
    pub concurrent: usize,
    /// Bytes of one request's body.
    pub request_body: usize,
    /// Bytes of one answer's body.
    pub response_body: usize,
    /// Bytes of one set of headers, as the host holds it.
    pub fields: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            requests: 16,
            concurrent: 4,
            request_body: 1 << 20,
            response_body: 1 << 20,
            fields: 24 << 10,
        }
    }
}

/// What an attempt may keep and have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectLimits {
    /// Bytes of one value in key-value.
    pub kv_value: usize,
    /// Bytes of all keys and values that it writes.
    pub kv_writes: usize,
    /// Keys that it reads, lists or writes.
    pub kv_keys: usize,
    /// Keys of these that it writes. Each changes a page of its own in the commit,
    /// and all that is stored meanwhile waits for that.
    pub kv_written: usize,
    /// Bytes of all keys and values that the plugin may have. An attempt looks at
    /// what there was when it started, so attempts that run at the same time may
    /// pass it by `kv_writes` each.
    pub kv_total: u64,
    /// Requests that it queues in the outbox.
    pub requests: usize,
    /// Bytes of one request's body.
    pub request_body: usize,
}

impl Default for EffectLimits {
    fn default() -> Self {
        Self {
            kv_value: 64 << 10,
            kv_writes: 4 << 20,
            kv_keys: 10_000,
            kv_written: 256,
            kv_total: 64 << 20,
            requests: 16,
            request_body: 1 << 20,
        }
    }
}

impl AttemptLimits {
    /// Those of its log.
    pub(super) fn log(&self) -> LogLimits {
        LogLimits {
            bytes: self.log,
            lines: self.log_lines,
        }
    }
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            cpu: Duration::from_secs(1),
            wall: Duration::from_secs(10),
            log: 64 << 10,
            log_lines: 1000,
            host_data: 16 << 20,
            handles: 256,
            random: 1 << 20,
            effects: EffectLimits::default(),
            http: HttpLimits::default(),
        }
    }
}

/// The attempt wanted more memory than it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("memory limit of {limit} bytes exceeded: {asked} bytes asked for")]
pub struct MemoryExceeded {
    /// The limit.
    pub limit: u64,
    /// What the attempt would have had in all.
    pub asked: u64,
}

/// Watches each growth of a memory or table. Growth past the limit traps, so
/// that the outcome can name the limit: a plain `-1` from `memory.grow` would
/// surface as some language runtime's abort.
#[derive(Debug)]
pub(super) struct MemoryGuard {
    limit: u64,
    used: u64,
    peak: u64,
}

/// What an element of a table costs the host.
const TABLE_ELEMENT: u64 = 8;

impl MemoryGuard {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            peak: 0,
        }
    }

    /// The most that the attempt has had, in bytes.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    /// `most` is what its type allows: past that nothing grows, and nothing counts.
    fn grow(
        &mut self,
        current: u64,
        desired: u64,
        most: Option<u64>,
    ) -> Result<(), MemoryExceeded> {
        let asked = self.used.saturating_sub(current).saturating_add(desired);
        if asked > self.limit {
            return Err(MemoryExceeded {
                limit: self.limit,
                asked,
            });
        }
        if most.is_some_and(|most| desired > most) {
            return Ok(());
        }
        self.used = asked;
        self.peak = self.peak.max(asked);
        Ok(())
    }
}

impl ResourceLimiter for MemoryGuard {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let most = maximum.map(|bytes| bytes as u64);
        self.grow(current as u64, desired as u64, most)?;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| (elements as u64).saturating_mul(TABLE_ELEMENT);
        self.grow(bytes(current), bytes(desired), maximum.map(bytes))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_up_to_the_limit_passes_and_past_it_names_both_numbers() {
        let mut guard = MemoryGuard::new(100);
        assert_eq!(guard.grow(0, 100, None), Ok(()));
        assert_eq!(
            guard.grow(100, 101, None),
            Err(MemoryExceeded {
                limit: 100,
                asked: 101
            })
        );
    }

    #[test]
    fn several_memories_share_one_limit() {
        let mut guard = MemoryGuard::new(100);
        guard.grow(0, 60, None).expect("the first fits");
        assert!(guard.grow(0, 41, None).is_err());
        guard.grow(0, 40, None).expect("exactly the rest fits");
        assert_eq!(guard.peak(), 100);
    }

    #[test]
    fn what_its_type_forbids_isnt_counted_and_the_limit_is_named_first() {
        let mut guard = MemoryGuard::new(100);
        guard.grow(0, 10, Some(20)).expect("within both");
        guard.grow(10, 90, Some(20)).expect("wasmtime refuses it");
        guard.grow(10, 20, Some(20)).expect("within both");
        guard.grow(0, 80, None).expect("exactly the rest fits");
        assert_eq!(guard.peak(), 100);
        assert!(guard.grow(20, 21, Some(20)).is_err());
    }
}
