//! The smoke event: one attempt that a version makes before it is swapped in.
//!
//! It runs on the handlers' threads and under the plugin's limits, with entries of
//! its own that are empty, and without grants; what it wants kept or sent is
//! dropped. It has no place in the queue and none in the budgets, so only one
//! runs at a time in the whole host. Endpoints take turns: who puts hundreds of
//! slow ones into a folder holds up the other folders by one at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex as Line, OwnedMutexGuard, oneshot};

use super::Plugin;
use super::run::Runner;
use crate::sandbox::{Attempt, KvProblem, KvSource, Verdict};
use crate::types::effects::{KvEntry, KvKey, KvPage, KvSnapshot, KvVersion};
use crate::types::event::Event;
use crate::types::{DeliveryId, EndpointName, PluginName};

/// How long to wait before the pools are asked for room again.
const NO_ROOM_DELAY: Duration = Duration::from_millis(20);

/// A version that is to be tried out.
pub(super) struct Smoke {
    pub(super) name: PluginName,
    pub(super) plugin: Arc<Plugin>,
    pub(super) event: Arc<Event>,
    /// Gets the reason if it doesn't do.
    pub(super) done: oneshot::Sender<Result<(), String>>,
}

/// Whose turn it is: there is a line for each endpoint, whose first one stands in
/// the line of the host.
#[derive(Debug, Default)]
pub(super) struct SmokeTurns {
    host: Arc<Line<()>>,
    endpoints: Mutex<HashMap<EndpointName, Arc<Line<()>>>>,
}

impl SmokeTurns {
    async fn turn(&self, endpoint: &EndpointName) -> [OwnedMutexGuard<()>; 2] {
        let line = {
            let mut lines = self
                .endpoints
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lines.entry(endpoint.clone()).or_default())
        };
        let first = line.lock_owned().await;
        [Arc::clone(&self.host).lock_owned().await, first]
    }
}

impl Runner {
    /// Makes the attempt, and ends it early when nobody waits for it any more.
    pub(super) async fn smoke(&self, smoke: Smoke) {
        let Smoke {
            name,
            plugin,
            event,
            mut done,
        } = smoke;
        let result = tokio::select! {
            result = self.try_out(name, &plugin, event) => result,
            () = done.closed() => return,
        };
        let _ = done.send(result);
    }

    async fn try_out(
        &self,
        name: PluginName,
        plugin: &Plugin,
        event: Arc<Event>,
    ) -> Result<(), String> {
        let _turn = self.smokes.turn(&event.endpoint).await;
        loop {
            let attempt = Attempt {
                event: Arc::clone(&event),
                delivery: DeliveryId(0),
                plugin: name.clone(),
                number: 1,
                manual: false,
                limits: plugin.limits,
                config: Arc::clone(&plugin.config),
                secrets: Arc::clone(&plugin.secrets),
                kv: Arc::new(NoEntries),
                grants: Arc::default(),
            };
            let entered = self.pools.enter();
            let report = self.handler.handle(&plugin.program, attempt).await;
            let alone = entered.leave();
            match report.verdict {
                Verdict::NoRoom if !alone => tokio::time::sleep(NO_ROOM_DELAY).await,
                verdict => return judge(verdict),
            }
        }
    }
}

fn judge(verdict: Verdict) -> Result<(), String> {
    Err(match verdict {
        Verdict::Done => return Ok(()),
        Verdict::Retry { reason, .. } => format!("it asks for another attempt: {reason}"),
        Verdict::Reject { reason } => format!("it rejects it: {reason}"),
        Verdict::Failed(failure) => failure.to_string(),
        Verdict::NoRoom => "the pools have no room for it, even alone".to_owned(),
        Verdict::Conflict { at } => format!("it met a conflict over {at}"),
    })
}

/// A plugin that has never kept anything.
struct NoEntries;

#[async_trait]
impl KvSource for NoEntries {
    async fn open(&self) -> Result<KvSnapshot, KvProblem> {
        Ok(KvSnapshot {
            version: KvVersion(0),
            used: 0,
        })
    }

    async fn get(&self, _: &str, keys: Vec<String>) -> Result<Vec<Option<KvEntry>>, KvProblem> {
        Ok(keys.iter().map(|_| None).collect())
    }

    async fn list(&self, _: &str, _: Option<String>) -> Result<KvPage, KvProblem> {
        Ok(KvPage::default())
    }

    fn touch(&self, _: &KvKey) -> Result<(), KvProblem> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::time::timeout;

    use super::*;

    async fn waits(turn: impl Future) -> bool {
        timeout(Duration::ZERO, turn).await.is_err()
    }

    #[tokio::test]
    async fn an_endpoint_with_many_holds_up_another_by_one_at_a_time() {
        let name = |text| EndpointName::new(text).expect("a good name");
        let (crowd, alone) = (name("crowd"), name("alone"));
        let turns = SmokeTurns::default();
        let first = turns.turn(&crowd).await;
        let (mut second, mut third) = (pin!(turns.turn(&crowd)), pin!(turns.turn(&crowd)));
        assert!(waits(&mut second).await && waits(&mut third).await);
        let mut other = pin!(turns.turn(&alone));
        assert!(waits(&mut other).await);
        drop(first);
        assert!(waits(&mut second).await, "it isn't its turn");
        let other = other.await;
        assert!(waits(&mut second).await, "one at a time");
        drop(other);
        drop(second.await);
        drop(third.await);
    }
}
