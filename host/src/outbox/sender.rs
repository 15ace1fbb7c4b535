//! The task that sends: looks into the store when the bell rings or a request is
//! due, and keeps as many attempts running as there is room for.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use super::attempt::Context;
use super::schedule::Schedule;
use super::{Bell, GrantsOf, Options, Stats};
use crate::journal::{JournalError, Outbox};
use crate::outbound::Client;
use crate::types::{OutboxId, PluginKey, Redactor, UnixMicros};

/// The shortest time between two looks at who has requests: many commits that
/// follow each other are one look.
const LOOK_SPACING: Duration = Duration::from_millis(20);

/// The first and the longest pause after the store failed.
const STORE_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What the sender is made of.
pub struct Sender {
    /// Where requests come from.
    pub store: Arc<dyn Outbox>,
    /// What sends them.
    pub client: Client,
    /// What plugins may send at present.
    pub grants: GrantsOf,
    /// How much, how often.
    pub options: Options,
    /// Takes the secrets of plugins out of reasons.
    pub redactor: Redactor,
    /// What it counts.
    pub stats: Arc<Stats>,
    /// What wakes it.
    pub bell: Bell,
}

impl Sender {
    /// Sends until `stopped`; then waits for the requests in flight, at most
    /// [`Options::grace`]. What hasn't ended by then is sent again after the next
    /// start.
    pub async fn run(self, stopped: impl Future<Output = ()>) {
        let mut stopped = pin!(stopped);
        let mut post = Post::new(&self);
        loop {
            let pause = tokio::select! {
                biased;
                () = &mut stopped => break,
                pause = post.send_due() => pause,
            };
            tokio::select! {
                () = &mut stopped => break,
                () = self.bell.rung() => post.look_at = Instant::now(),
                Some(end) = post.running.join_next_with_id() => post.settle(end),
                () = sleep(pause) => {}
            }
        }
        post.drain(self.options.grace).await;
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The sender's state.
struct Post {
    context: Arc<Context>,
    options: Options,
    schedule: Schedule,
    /// Attempts; each returns when its request is due again.
    running: JoinSet<Option<UnixMicros>>,
    owners: HashMap<Id, (PluginKey, OutboxId)>,
    /// When to look at who has requests.
    look_at: Instant,
    /// Not to ask the store for anything before: it failed, or was just asked.
    ask_after: Instant,
    look_after: Instant,
    /// How long to leave the store alone after its next failure.
    pause: Duration,
    /// Plugins whose requests couldn't be read: until when to leave each alone, and
    /// for how long. It may be one damaged row: the others go on.
    unreadable: Unreadable,
}

type Unreadable = HashMap<PluginKey, (Instant, Duration)>;

/// Whether the plugin is there, and its requests can be read.
fn is_ready(unreadable: &Unreadable, context: &Context, plugin: &PluginKey) -> bool {
    let failed = unreadable.get(plugin);
    failed.is_none_or(|(until, _)| remaining(*until).is_none())
        && (context.grants)(plugin).is_some()
}

impl Post {
    fn new(sender: &Sender) -> Self {
        let options = sender.options;
        let now = Instant::now();
        Self {
            context: Arc::new(Context {
                store: Arc::clone(&sender.store),
                client: sender.client.clone(),
                grants: Arc::clone(&sender.grants),
                policy: options.retry,
                redactor: sender.redactor.clone(),
                stats: Arc::clone(&sender.stats),
                relook_unloaded: options.relook_unloaded,
                body: options.body,
            }),
            options,
            schedule: Schedule::new(options.per_plugin, options.total, longest(&options)),
            running: JoinSet::new(),
            owners: HashMap::new(),
            look_at: now,
            ask_after: now,
            look_after: now,
            pause: STORE_PAUSES.0,
            unreadable: HashMap::new(),
        }
    }

    fn cannot_read(&mut self, plugin: &PluginKey, problem: &JournalError) {
        let (first, longest) = STORE_PAUSES;
        let before = self.unreadable.get(plugin);
        let pause = before.map_or(first, |(_, pause)| longest.min(*pause * 2));
        warn!(
            endpoint = %plugin.endpoint, plugin = %plugin.plugin,
            "the plugin's requests in the outbox can't be read, again in {pause:?}: {problem}"
        );
        self.unreadable
            .insert(plugin.clone(), (Instant::now() + pause, pause));
    }

    /// Starts whatever is due and has room. Returns how long nothing more is to be
    /// done if nothing happens.
    async fn send_due(&mut self) -> Duration {
        if let Some(pause) = remaining(self.ask_after) {
            return pause;
        }
        match self.ask().await {
            Ok(()) => {
                self.pause = STORE_PAUSES.0;
                self.idle_for()
            }
            Err(problem) => {
                let pause = self.pause;
                warn!("the outbox can't be read, again in {pause:?}: {problem}");
                self.pause = STORE_PAUSES.1.min(pause * 2);
                self.ask_after = Instant::now() + pause;
                pause
            }
        }
    }

    async fn ask(&mut self) -> Result<(), JournalError> {
        if self.look_at.max(self.look_after) <= Instant::now() {
            let asked = Instant::now();
            let listed = self.context.store.outbox_plugins().await?;
            self.schedule.refresh(listed);
            // A store that takes long to answer isn't asked all the time.
            self.look_after = Instant::now() + LOOK_SPACING.max(asked.elapsed() * 10);
            self.look_at = Instant::now() + self.options.relook;
        }
        loop {
            let now = UnixMicros::now();
            let ready = |plugin: &PluginKey| is_ready(&self.unreadable, &self.context, plugin);
            let turn = self.schedule.turn(now, ready);
            let Some(turn) = turn else { return Ok(()) };
            let plugin = turn.plugin;
            let store = &self.context.store;
            let page = store
                .outbox_due(plugin.clone(), turn.until, turn.known, turn.limit)
                .await;
            let page = match page {
                Ok(page) => page,
                Err(JournalError::Closed) => return Err(JournalError::Closed),
                Err(problem) => {
                    self.cannot_read(&plugin, &problem);
                    continue;
                }
            };
            self.unreadable.remove(&plugin);
            // Nothing came though something is due: it isn't asked at once again.
            let nothing = page.requests.is_empty();
            let next_due = match page.next_due {
                Some(due) if nothing && self.schedule.is_due(due, now) => {
                    Some(now.after(Duration::from_secs(1)))
                }
                due => due,
            };
            let ids = page.requests.iter().map(|due| due.id);
            self.schedule.took(&plugin, ids, next_due);
            for due in page.requests {
                let (context, owner, id) = (Arc::clone(&self.context), plugin.clone(), due.id);
                let task = self
                    .running
                    .spawn(async move { context.attempt(&owner, due).await });
                self.owners.insert(task.id(), (plugin.clone(), id));
            }
        }
    }

    fn idle_for(&self) -> Duration {
        let now = UnixMicros::now();
        let (ready, waiting) = self.schedule.next_due(now, |plugin| {
            is_ready(&self.unreadable, &self.context, plugin)
        });
        let look = remaining(self.look_at.max(self.look_after)).unwrap_or_default();
        let ready = ready.map(|due| due.until(now));
        let waiting = waiting.map(|due| due.until(now).max(self.options.relook_unloaded));
        [ready, waiting]
            .into_iter()
            .flatten()
            .fold(look, Duration::min)
    }

    fn settle(&mut self, end: Result<(Id, Option<UnixMicros>), JoinError>) {
        let (task, again) = match end {
            Ok(end) => end,
            Err(problem) => {
                error!("an attempt to send has failed: {problem}");
                let again = UnixMicros::now().after(self.options.relook);
                (problem.id(), Some(again))
            }
        };
        if let Some((plugin, request)) = self.owners.remove(&task) {
            self.schedule.ended(&plugin, request, again);
        }
    }

    async fn drain(mut self, grace: Duration) {
        let all = async { while self.running.join_next().await.is_some() {} };
        if timeout(grace, all).await.is_err() {
            let left = self.running.len();
            info!(
                left,
                "requests in flight are abandoned: they are sent again after the next start"
            );
        }
    }
}

/// Longer than any delay of a request. Twice the longest one, since a clock is
/// also put right by a little.
fn longest(options: &Options) -> Duration {
    let delays = [options.retry.max, options.relook, options.relook_unloaded];
    delays
        .into_iter()
        .fold(Duration::ZERO, Duration::max)
        .saturating_mul(2)
}

/// How long it is until then; `None` if it has passed.
fn remaining(moment: Instant) -> Option<Duration> {
    let left = moment.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}
