//! What waits for the writer, and in which lots it is done.
//!
//! All that waits goes into one commit, up to a bound. What is heavy by itself, an
//! outcome with thousands of keys, say, stands aside: what came behind it goes
//! first, and then follows one lot of what is heavy. So whoever stores an event
//! waits for one such lot at most, however many there are.

use std::collections::VecDeque;

use tokio::sync::{mpsc, oneshot};

use super::apply::Op;
use super::writer::{Reply, Request};

/// Requests in one commit at most.
const BATCH: usize = 512;
/// What one commit weighs, about: a few huge requests don't make a huge commit.
const BATCH_WEIGHT: usize = 4 * 1024 * 1024;
/// What weighs more stands aside, but for events.
const HEAVY: usize = 256 * 1024;
/// What a lot of these weighs, about, unless one alone weighs more: everyone else
/// waits for it.
const HEAVY_WEIGHT: usize = 1024 * 1024;

/// Requests that are committed together.
pub(super) type Lot = Vec<(Op, Reply)>;

/// All that waits.
#[derive(Debug)]
pub(super) struct Lots {
    requests: mpsc::Receiver<Request>,
    /// In the order in which they came. No more than there are callers.
    heavy: VecDeque<(Op, Reply)>,
    /// Whether the next lot is one of these.
    heavy_next: bool,
    closers: Vec<oneshot::Sender<()>>,
}

impl Lots {
    pub(super) fn new(requests: mpsc::Receiver<Request>) -> Self {
        Self {
            requests,
            heavy: VecDeque::new(),
            heavy_next: false,
            closers: Vec::new(),
        }
    }

    /// The next lot, which may be empty; waits until there is something. `None`
    /// when all is done and nothing more can come.
    pub(super) fn next(&mut self) -> Option<Lot> {
        if !std::mem::take(&mut self.heavy_next) {
            let lot = self.light()?;
            if !lot.is_empty() || self.heavy.is_empty() {
                self.heavy_next = !self.heavy.is_empty();
                return Some(lot);
            }
        }
        Some(self.heavy())
    }

    /// Accepts nothing more and hands out who waits for an answer.
    pub(super) fn give_up(mut self) -> impl Iterator<Item = Reply> {
        self.requests.close();
        let heavy = self.heavy.into_iter().map(|(_, reply)| reply);
        let mut requests = self.requests;
        let rest = std::iter::from_fn(move || requests.blocking_recv());
        heavy.chain(rest.filter_map(|request| match request {
            Request::Do(_, reply) => Some(reply),
            Request::Close(_) => None,
        }))
    }

    /// Those who wait for the end.
    pub(super) fn into_closers(self) -> Vec<oneshot::Sender<()>> {
        self.closers
    }

    fn light(&mut self) -> Option<Lot> {
        let mut lot = Vec::with_capacity(64);
        let mut weight = 0;
        let mut next = match self.heavy.is_empty() {
            true => Some(self.requests.blocking_recv()?),
            false => self.requests.try_recv().ok(),
        };
        let mut taken = 0;
        while let Some(request) = next {
            taken += 1;
            match request {
                Request::Do(op, reply) => match op.weight() {
                    heavy if heavy > HEAVY && !matches!(op, Op::Append(_)) => {
                        self.heavy.push_back((op, reply));
                    }
                    light => {
                        weight += light;
                        lot.push((op, reply));
                    }
                },
                Request::Close(closer) => {
                    // No more from now on; what is in the channel is still done.
                    self.closers.push(closer);
                    self.requests.close();
                }
            }
            next = match taken < BATCH && weight < BATCH_WEIGHT {
                true => self.requests.try_recv().ok(),
                false => None,
            };
        }
        Some(lot)
    }

    fn heavy(&mut self) -> Lot {
        let mut lot = Vec::new();
        let mut weight = 0;
        while let Some((op, reply)) = self.heavy.pop_front() {
            weight += op.weight();
            lot.push((op, reply));
            let next = self.heavy.front().map(|(op, _)| op.weight());
            if next.is_none_or(|next| weight + next > HEAVY_WEIGHT) {
                break;
            }
        }
        lot
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::journal::sqlite::apply::Outcome;
    use crate::journal::{Finish, Next};
    use crate::types::effects::{KvKey, KvWrite};
    use crate::types::{DeliveryId, Effects, UnixMicros};

    /// An outcome that writes so many small keys.
    fn writing(keys: usize) -> Op {
        let write = |n: usize| KvWrite {
            at: KvKey {
                bucket: "b".into(),
                key: n.to_string(),
            },
            value: Some(Bytes::from_static(b"1")),
        };
        let mut effects = Effects::default();
        effects.kv.writes = (0..keys).map(write).collect();
        outcome(effects)
    }

    /// An outcome that has read so many keys.
    fn reading(keys: usize) -> Op {
        let read = |n: usize| {
            let at = KvKey {
                bucket: "b".into(),
                key: n.to_string(),
            };
            (at, None)
        };
        let mut effects = Effects::default();
        effects.kv.reads = (0..keys).map(read).collect();
        outcome(effects)
    }

    fn outcome(effects: Effects) -> Op {
        let finish = Finish {
            delivery: DeliveryId(1),
            next: Next::Done,
            attempts: 1,
            traps: 0,
            started_at: UnixMicros(0),
            duration: Duration::ZERO,
            cpu: Duration::ZERO,
            peak_memory: 0,
            log: Vec::new(),
            effects,
        };
        Op::Finish(Box::new(Outcome::new(finish).expect("it is text")))
    }

    /// What waits, and who holds its answers.
    fn waiting(ops: Vec<Op>) -> (Lots, mpsc::Sender<Request>) {
        let (sender, requests) = mpsc::channel(1024);
        for op in ops {
            let (reply, _) = oneshot::channel();
            sender.try_send(Request::Do(op, reply)).expect("room");
        }
        (Lots::new(requests), sender)
    }

    /// How many requests each lot has, and whether they are heavy.
    fn lots(mut lots: Lots, sender: mpsc::Sender<Request>) -> Vec<(usize, bool)> {
        drop(sender);
        let mut seen = Vec::new();
        while let Some(lot) = lots.next() {
            seen.push((lot.len(), lot.iter().any(|(op, _)| op.weight() > HEAVY)));
        }
        seen
    }

    #[test]
    fn what_is_light_goes_before_what_is_heavy_and_all_of_it_is_done() {
        let (waiting, sender) = waiting(vec![
            writing(900),
            writing(900),
            Op::Installed,
            writing(900),
            Op::Installed,
        ]);
        assert_eq!(
            lots(waiting, sender),
            [(2, false), (1, true), (1, true), (1, true)]
        );
    }

    #[test]
    fn between_two_heavy_lots_comes_what_has_come_in_meanwhile() {
        let (mut lots, sender) = waiting(vec![writing(900), writing(900)]);
        assert_eq!(lots.next().map(|lot| lot.len()), Some(1));
        let (reply, _) = oneshot::channel();
        sender
            .try_send(Request::Do(Op::Installed, reply))
            .expect("room");
        let next = lots.next().expect("more");
        assert!(matches!(next[..], [(Op::Installed, _)]), "{next:?}");
        assert_eq!(lots.next().map(|lot| lot.len()), Some(1));
    }

    #[test]
    fn keys_that_are_only_read_count_as_well() {
        let (waiting, sender) = waiting((0..100).map(|_| reading(5_000)).collect());
        let seen = lots(waiting, sender);
        assert!(seen.iter().all(|(ops, _)| *ops <= 2), "{seen:?}");
    }

    #[test]
    fn a_close_is_answered_after_what_came_before_it() {
        let (mut lots, sender) = waiting(vec![writing(900)]);
        let (closer, _closed) = oneshot::channel();
        sender.try_send(Request::Close(closer)).expect("room");
        assert_eq!(lots.next().map(|lot| lot.len()), Some(1));
        assert!(lots.next().is_none());
        assert_eq!(lots.into_closers().len(), 1);
    }
}
