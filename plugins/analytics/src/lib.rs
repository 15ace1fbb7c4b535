//! Counts messages and sessions, for each agent and day.
//!
//! - Counters, which the operator reads: `messages AGENT DAY`, and `sessions AGENT
//!   DAY`.
//! - An entry `AGENT DAY` in the bucket `summary`, as JSON: how many sessions, and
//!   when the first and the latest of them began.
//! - An entry for each session, in the bucket `sessions DAY`: it makes sure that a
//!   session counts once. Those of days past are removed.
//!
//! Messages are counted by a counter, since events that add to one never wait for
//! each other. A session is an entry of its own: the events of one session come
//! one at a time anyway. Only the summary is shared, so it is written once for a
//! session and not for each message.
//!
//! `[config]`: `keep-days` (7 unless set, at most 60) says for how many days entries
//! of sessions are kept; an event that is older than that may count its session
//! again.

use hookbox_sdk::prelude::*;
use hookbox_sdk::serde::{Deserialize, Serialize};

mod day;

use day::Day;

/// How many days are looked at for old sessions: a host that was off for a while
/// has several to remove.
const CLEANED_DAYS: i64 = 7;

/// How many old sessions one event removes at most.
const CLEANED_SESSIONS: usize = 1_000;

/// One agent's day, as an operator reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "hookbox_sdk::serde")]
struct Summary {
    /// How many sessions began or went on.
    sessions: u64,
    /// When the first of them was seen, in seconds since 1970.
    first: f64,
    /// When the latest of them was seen.
    latest: f64,
}

struct Analytics;

impl OnRoomJoin for Analytics {
    fn on_room_join(event: RoomJoin) -> Outcome {
        count_session(&event.meta, &event.session_id)
    }
}

impl OnChatPush for Analytics {
    fn on_chat_push(event: ChatPush) -> Outcome {
        let (agent, day) = (agent(&event.meta), day_of(&event.meta));
        counters::add(&format!("messages {agent} {day}"), 1);
        // A restarted session sends messages without a room.join.
        count_session(&event.meta, &event.session_id)
    }
}

hookbox_sdk::export!(Analytics: OnRoomJoin, OnChatPush);

/// Counts the session, unless it has counted this day.
fn count_session(meta: &EventMeta, session: &str) -> Outcome {
    let (agent, day) = (agent(meta), day_of(meta));
    let seen = kv::Bucket::open(&sessions_of(day))?;
    let key = shortened(&format!("{agent} {session}"), MAX_KEY).to_owned();
    if seen.exists(&key)? {
        return Ok(());
    }
    seen.set(&key, &moment(meta))?;
    counters::add(&format!("sessions {agent} {day}"), 1);
    let summary = summarize(meta, agent, day)?;
    if summary.sessions == 1 {
        remove_old_sessions(day)?;
    }
    log::debug!("{agent} on {day}: session {}", summary.sessions);
    Ok(())
}

fn summarize(meta: &EventMeta, agent: &str, day: Day) -> Result<Summary, kv::Error> {
    let now = moment(meta);
    let summaries = kv::Bucket::open("summary")?;
    summaries.update(
        &format!("{agent} {day}"),
        |summary: Option<Summary>| match summary {
            None => Summary {
                sessions: 1,
                first: now,
                latest: now,
            },
            Some(summary) => Summary {
                sessions: summary.sessions + 1,
                first: now.min(summary.first),
                latest: now.max(summary.latest),
            },
        },
    )
}

/// Makes room: runs with an agent's first session of a day.
fn remove_old_sessions(today: Day) -> Outcome {
    let keep: u16 = config::parse_or("keep-days", 7)?;
    let keep = i64::from(keep.clamp(1, 60));
    let mut left = CLEANED_SESSIONS;
    for age in keep..keep + CLEANED_DAYS {
        let old = kv::Bucket::open(&sessions_of(today.before(age)))?;
        for key in old.keys().take(left) {
            old.delete(&key?)?;
            left -= 1;
        }
    }
    Ok(())
}

fn sessions_of(day: Day) -> String {
    format!("sessions {day}")
}

/// Longer keys would be refused by the host; ids are far shorter.
const MAX_KEY: usize = 1_024;

/// Counters have shorter names than that.
const MAX_AGENT: usize = 200;

fn agent(meta: &EventMeta) -> &str {
    let agent = meta.agent_id.as_deref().filter(|agent| !agent.is_empty());
    shortened(agent.unwrap_or("unknown"), MAX_AGENT)
}

fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn moment(meta: &EventMeta) -> f64 {
    meta.occurred_at.unwrap_or(meta.received_at)
}

fn day_of(meta: &EventMeta) -> Day {
    Day::of(moment(meta))
}

#[cfg(test)]
mod tests {
    use hookbox_sdk::prelude::*;
    use hookbox_sdk::testing::Host;

    use super::{Analytics, Summary};

    /// 2024-01-15, noon.
    const NOON: u64 = 1_705_320_000;
    const DAY: u64 = 86_400;

    fn say(host: &Host, session: &str, at: u64) {
        let run = host.chat_push::<Analytics>(&format!(
            r#"{{"agent_id":"A1","event_type":"chat.push","timestamp":{at},"data":{{"role":"user",
            "message":"hi","session_id":"{session}","timestamp":{at}}}}}"#
        ));
        assert_eq!(run.outcome, Ok(()));
    }

    fn join(host: &Host, session: &str, at: u64) {
        let run = host.room_join::<Analytics>(&format!(
            r#"{{"agent_id":"A1","event_type":"room.join","timestamp":{at},"data":{{
            "room_name":"lobby","participant_count":2,"session_id":"{session}"}}}}"#
        ));
        assert_eq!(run.outcome, Ok(()));
    }

    #[test]
    fn each_message_counts_and_a_session_once_a_day() {
        let host = Host::new();
        join(&host, "s-1", NOON);
        for second in 1..=3 {
            say(&host, "s-1", NOON + second);
        }
        say(&host, "s-2", NOON + 60);
        assert_eq!(host.counter("messages A1 2024-01-15"), 4);
        assert_eq!(host.counter("sessions A1 2024-01-15"), 2);
        say(&host, "s-1", NOON + DAY);
        assert_eq!(host.counter("sessions A1 2024-01-16"), 1);
        assert_eq!(host.counter("messages A1 2024-01-16"), 1);
    }

    #[test]
    fn the_summary_is_there_to_be_read() {
        let host = Host::new();
        say(&host, "s-2", NOON + 60);
        join(&host, "s-1", NOON);
        assert_eq!(
            host.entry("summary", "A1 2024-01-15"),
            Some(Summary {
                sessions: 2,
                first: 1_705_320_000.0,
                latest: 1_705_320_060.0
            })
        );
    }

    #[test]
    fn sessions_of_days_past_are_removed() {
        let host = Host::new().config("keep-days", "2");
        for session in 0..30 {
            say(&host, &format!("s-{session}"), NOON);
        }
        say(&host, "s", NOON + DAY);
        assert_eq!(host.keys("sessions 2024-01-15").len(), 30);
        say(&host, "s", NOON + 2 * DAY);
        assert_eq!(host.keys("sessions 2024-01-15"), [""; 0]);
        assert_eq!(host.keys("sessions 2024-01-16"), ["A1 s"]);
    }

    #[test]
    fn an_event_without_an_agent_counts_too() {
        let host = Host::new();
        let run = host.chat_push::<Analytics>(
            r#"{"event_type":"chat.push","timestamp":0,"data":{"role":"user","message":"hi",
            "session_id":"s","timestamp":0}}"#,
        );
        assert_eq!(run.outcome, Ok(()));
        assert_eq!(run.counters["messages unknown 1970-01-01"], 1);
    }

    #[test]
    fn ids_of_any_length_count() {
        let mut event = hookbox_sdk::testing::room_join(
            r#"{"event_type":"room.join","timestamp":0,"data":{"room_name":"r",
            "participant_count":1,"session_id":"s"}}"#,
        );
        event.meta.agent_id = Some("ä".repeat(500));
        event.session_id = "ä".repeat(5_000);
        let run = Host::new().run(|| Analytics::on_room_join(event));
        assert_eq!(run.outcome, Ok(()));
    }
}
