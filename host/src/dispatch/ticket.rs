//! A started delivery's place: in its lane, among the running attempts and in
//! the memory budget. It is given back whatever happens to the attempt's task.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tracing::error;

use super::breaker::Evidence;
use super::handle::{LaneId, Message};
use super::job::Job;
use super::slot::Settled;

/// How long a delivery waits whose task has panicked.
const PANIC_DELAY: Duration = Duration::from_secs(1);

/// Tells the actor when the attempt no longer holds an instance, and what
/// becomes of the delivery.
pub(super) struct Ticket {
    pub(super) job: Job,
    messages: UnboundedSender<Message>,
    lane: LaneId,
    /// Its memory limit, as long as it holds a slot.
    slot: Option<u64>,
    settled: bool,
}

impl Ticket {
    pub(super) fn new(
        job: Job,
        messages: UnboundedSender<Message>,
        lane: LaneId,
        memory: u64,
    ) -> Self {
        Self {
            job,
            messages,
            lane,
            slot: Some(memory),
            settled: false,
        }
    }

    /// The attempt holds no instance any more.
    pub(super) fn free_slot(&mut self) {
        if let Some(memory) = self.slot.take() {
            let _ = self.messages.send(Message::SlotFree(self.lane, memory));
        }
    }

    /// The delivery is through, as far as this attempt goes.
    pub(super) fn settle(mut self, settled: Settled) {
        self.give_back(settled);
    }

    fn give_back(&mut self, settled: Settled) {
        self.settled = true;
        let message = Message::Settled(self.lane, self.job.clone(), settled, self.slot.take());
        let _ = self.messages.send(message);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        if std::thread::panicking() {
            error!(delivery = %self.job.delivery, "the host failed while it settled an attempt; it runs again");
        }
        let due = Instant::now() + PANIC_DELAY;
        self.give_back(Settled::PutOff(due, Evidence::Nothing));
    }
}
