//! Waits until the deliveries that were made are handled.
//!
//! The host keeps no list of a replay. What it made has ids above the newest
//! delivery before it and is marked as made by hand; the pending ones among
//! these are looked for, newest first, until there are none.

use std::time::Duration;

use serde_json::Value;

use super::Wanted;
use super::progress::Progress;
use crate::cli::operator::interrupt::Interrupt;
use crate::cli::operator::{Api, OperatorError, Query, list};

/// Between the first two looks; doubled after each, since few are handled at once.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest wait between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How many pending ones are counted at one look: beyond that it is only known
/// that there are more.
const COUNTED: usize = 10 * list::PAGE;

/// What became of the deliveries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handled {
    pub(super) done: u64,
    pub(super) dead: u64,
    pub(super) ignored: u64,
    /// Pending when the waiting was ended.
    pub(super) waiting: u64,
}

/// The newest delivery's id.
pub(super) fn newest(api: &impl Api) -> Result<i64, OperatorError> {
    let answer = api.get("/api/deliveries", &Query::from([("limit", "1".to_owned())]))?;
    Ok(answer["deliveries"][0]["id"].as_i64().unwrap_or(0))
}

/// Waits until none of the `made` deliveries above `mark` is pending, or Ctrl-C.
pub(super) fn until_handled(
    api: &impl Api,
    wanted: &Wanted,
    mark: i64,
    made: u64,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Handled, OperatorError> {
    let mut pause = FIRST_PAUSE;
    let waiting = loop {
        let waiting = count(api, wanted, mark, "pending", COUNTED)?;
        if waiting == 0 {
            break 0;
        }
        let most = if waiting < COUNTED as u64 {
            ""
        } else {
            " or more"
        };
        progress.show(&format!(
            "waiting for {waiting}{most} of {made} deliveries; Ctrl-C ends the waiting, they go on"
        ));
        if interrupt.wait(pause) {
            break waiting;
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    };
    progress.end();
    let dead = count(api, wanted, mark, "dead", usize::MAX)?;
    let ignored = count(api, wanted, mark, "ignored", usize::MAX)?;
    Ok(Handled {
        done: made.saturating_sub(dead + ignored + waiting),
        dead,
        ignored,
        waiting,
    })
}

/// How many of them are in this state; stops counting at `most`.
fn count(
    api: &impl Api,
    wanted: &Wanted,
    mark: i64,
    state: &str,
    most: usize,
) -> Result<u64, OperatorError> {
    let mut count = 0;
    let mut before: Option<i64> = None;
    let mut seen = 0;
    loop {
        let mut query = Query::from([
            ("plugin", wanted.plugin.to_string()),
            ("state", state.to_owned()),
            ("limit", list::PAGE.to_string()),
        ]);
        list::push(&mut query, "endpoint", wanted.endpoint.as_ref());
        list::push(&mut query, "before", before.as_ref());
        let mut answer = api.get("/api/deliveries", &query)?;
        let page: Vec<Value> = serde_json::from_value(answer["deliveries"].take())?;
        let ids = page.iter().map(|one| one["id"].as_i64().unwrap_or(0));
        let ours = ids.zip(&page).take_while(|(id, _)| *id > mark);
        let (mut last, mut here) = (None, 0);
        for (id, one) in ours {
            count += u64::from(one["manual"] == true);
            here += 1;
            last = Some(id);
        }
        seen += here;
        before = last;
        // A short page, or one that reaches back to before the replay, is the last.
        if here < list::PAGE || seen >= most {
            return Ok(count);
        }
    }
}
