//! One attempt to send one request, from the check of the grant to the stored
//! outcome.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::header::RETRY_AFTER;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::key::idempotency_key;
use super::message::message;
use super::retry::{Outcome, RetryPolicy, retry_after};
use super::{GrantsOf, Stats};
use crate::journal::{DueRequest, JournalError, Outbox, OutboxFinish, OutboxNext};
use crate::outbound::connect::ConnectError;
use crate::outbound::{Client, SendError, Target};
use crate::sandbox::reason::without;
use crate::types::{PluginKey, Redactor, UnixMicros};

/// How much of an answer's body is read: enough for the other side to end well.
const BODY: usize = 64 << 10;

/// The first and the longest pause before an outcome is stored once more.
const STORE_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// What attempts need.
pub(super) struct Context {
    pub(super) store: Arc<dyn Outbox>,
    pub(super) client: Client,
    pub(super) grants: GrantsOf,
    pub(super) policy: RetryPolicy,
    pub(super) redactor: Redactor,
    pub(super) stats: Arc<Stats>,
    /// When a request whose plugin has just gone is looked at again.
    pub(super) relook_unloaded: Duration,
    /// How long the end of an answer's body is waited for.
    pub(super) body: Duration,
}

impl Context {
    /// Sends it and stores what became of it. Returns when it is due again.
    pub(super) async fn attempt(&self, plugin: &PluginKey, due: DueRequest) -> Option<UnixMicros> {
        let started_at = UnixMicros::now();
        let Some(grants) = (self.grants)(plugin) else {
            return Some(started_at.after(self.relook_unloaded));
        };
        let (id, delivery, failed) = (due.id, due.delivery, due.failed_attempts);
        let method = due.request.method.clone();
        let host = Target::parse(&due.request.url).map_or_else(
            |_| "(unreadable)".to_owned(),
            |target| target.host().to_string(),
        );
        let (shown, host) = (self.redactor.text(&method), self.redactor.owned(host));
        let allowed = grants.check(&method, &due.request.url);
        let (attempts, status, next) = match allowed {
            Err(denied) => {
                self.stats.count_unattempted();
                let reason = without(&self.redactor, &denied.to_string());
                (failed, None, OutboxNext::Dead { reason })
            }
            Ok(()) => {
                let outcome = self.send(plugin, due).await;
                let attempts = failed.saturating_add(1);
                let now = UnixMicros::now();
                let next = self.policy.decide(&outcome, attempts, now, fastrand::f64());
                self.stats.count(&next);
                (attempts, outcome.status(), next)
            }
        };
        let PluginKey {
            endpoint,
            plugin: name,
        } = plugin;
        match &next {
            OutboxNext::Sent => debug!(
                %endpoint, plugin = %name, %delivery, request = %id, method = %shown, host, status,
                attempt = attempts, "request sent"
            ),
            OutboxNext::Retry { reason, .. } => info!(
                %endpoint, plugin = %name, %delivery, request = %id, method = %shown, host, status,
                attempt = attempts, "request not sent, again later: {reason}"
            ),
            OutboxNext::Dead { reason } => warn!(
                %endpoint, plugin = %name, %delivery, request = %id, method = %shown, host, status,
                attempt = attempts, "request given up: {reason}"
            ),
        }
        let again = match next {
            OutboxNext::Retry { due_at, .. } => Some(due_at),
            OutboxNext::Sent | OutboxNext::Dead { .. } => None,
        };
        self.keep(OutboxFinish {
            id,
            attempts,
            started_at,
            status,
            next,
        })
        .await;
        again
    }

    async fn send(&self, plugin: &PluginKey, due: DueRequest) -> Outcome {
        let key = idempotency_key(plugin, due.event, due.delivery, due.index);
        let request = match message(due.request, key) {
            Ok(request) => request,
            Err(error) => {
                return Outcome::Impossible {
                    reason: without(&self.redactor, &error.to_string()),
                };
            }
        };
        match self.client.send(request).await {
            Ok(answer) => {
                let wanted = answer.headers.get(RETRY_AFTER);
                let wanted = wanted
                    .and_then(|value| value.to_str().ok())
                    .and_then(|value| retry_after(value, SystemTime::now()));
                let status = answer.status.as_u16();
                // The status is the answer: how the body ends changes nothing, and
                // a stop while it is waited for would have the request sent again.
                let _ = timeout(self.body, answer.drain(BODY)).await;
                Outcome::Answered {
                    status,
                    retry_after: wanted,
                }
            }
            Err(error) => outcome_of(&error, &self.redactor),
        }
    }

    /// Stores an outcome, however often that fails: a request that was sent must
    /// not be sent again for want of a note. A stop ends it.
    async fn keep(&self, finish: OutboxFinish) {
        let (mut pause, longest) = STORE_PAUSES;
        loop {
            match self.store.outbox_finish(finish.clone()).await {
                Ok(()) => return,
                Err(JournalError::Superseded) => {
                    debug!(request = %finish.id, "the request was ended by someone else");
                    return;
                }
                Err(problem) => {
                    warn!(request = %finish.id, "an outcome can't be stored now: {problem}");
                }
            }
            sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }
}

/// A request that can't be sent as it is, or to an address that isn't open, would
/// fail again; everything else may pass. The other side has a part in the reason,
/// such as the names in its certificate.
fn outcome_of(error: &SendError, redactor: &Redactor) -> Outcome {
    let reason = without(redactor, &error.to_string());
    match error {
        SendError::Unfit(_)
        | SendError::Header(_)
        | SendError::Connect(ConnectError::Refused { .. }) => Outcome::Impossible { reason },
        SendError::Connect(_)
        | SendError::Http(_)
        | SendError::TimedOut(_)
        | SendError::ConnectTimedOut(_)
        | SendError::HeadTimedOut(_) => Outcome::Unanswered { reason },
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_the_other_side_adds_to_a_reason_is_short_and_harmless() {
        let names = "DnsName(\"\u{1b}[2J\n.example\"), ".repeat(5000);
        let error = SendError::Connect(ConnectError::Tls {
            host: "a.example".into(),
            source: io::Error::other(format!("only valid for {names}")),
        });
        let outcome = outcome_of(&error, &Redactor::default());
        let Outcome::Unanswered { reason } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(reason.starts_with("no TLS connection to a.example: only valid for DnsName"));
        assert!(reason.len() < 3 << 10, "{} bytes", reason.len());
        assert!(!reason.contains(char::is_control), "{reason}");
    }
}
