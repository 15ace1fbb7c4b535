//! The smoke event: one attempt that a version makes before it is swapped in.
//!
//! It runs on the handlers' threads and under the plugin's limits, with entries of
//! its own that are empty, and without grants; what it wants kept or sent is
//! dropped. It has no place in the queue and none in the budgets, so only one
//! runs at a time in the whole host.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::Plugin;
use super::run::Runner;
use crate::sandbox::{Attempt, KvProblem, KvSource, Verdict};
use crate::types::effects::{KvEntry, KvKey, KvPage, KvSnapshot, KvVersion};
use crate::types::event::Event;
use crate::types::{DeliveryId, PluginName};

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
        let _turn = self.one_smoke.lock().await;
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
            let alone = self.pools.leave(&entered);
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
