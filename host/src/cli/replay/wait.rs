//! Waits until the deliveries that were made are handled.
//!
//! The host keeps no list of a replay. What it made has ids above the newest
//! delivery before it and is marked as asked for by an operator: the pending ones
//! among these are looked for until there are none.

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
#[derive(Debug, Default, PartialEq, Eq)]
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
    let mut pending = Query::from([
        ("plugin", wanted.plugin.to_string()),
        ("state", "pending".to_owned()),
    ]);
    list::push(&mut pending, "endpoint", wanted.endpoint.as_ref());
    let mut pause = FIRST_PAUSE;
    loop {
        let mut waiting = 0;
        let seen = above(api, mark, COUNTED, &pending, |_| waiting += 1)?;
        if waiting == 0 && seen < COUNTED {
            break;
        }
        let most = if seen < COUNTED { "" } else { " or more" };
        progress.show(&format!(
            "waiting for {waiting}{most} of {made} deliveries; Ctrl-C ends the waiting, they go on"
        ));
        if interrupt.wait(pause) {
            break;
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    progress.show("counting what became of them");
    let handled = tally(api, wanted, mark)?;
    progress.end();
    Ok(handled)
}

/// Looks at all deliveries above `mark`, whoever they are for: the host finds
/// these at once, while it would look for those of a new plugin, or of a rare
/// state, all through the store.
fn tally(api: &impl Api, wanted: &Wanted, mark: i64) -> Result<Handled, OperatorError> {
    let mut handled = Handled::default();
    above(api, mark, usize::MAX, &Query::new(), |one| {
        let is_ours = one["plugin"] == wanted.plugin.as_str();
        let endpoint = wanted.endpoint.as_ref();
        if !is_ours || endpoint.is_some_and(|endpoint| one["endpoint"] != endpoint.as_str()) {
            return;
        }
        match one["state"].as_str() {
            Some("done") => handled.done += 1,
            Some("dead") => handled.dead += 1,
            Some("ignored") => handled.ignored += 1,
            _ => handled.waiting += 1,
        }
    })?;
    Ok(handled)
}

/// Shows `each` of the deliveries above `mark` that an operator asked for; returns
/// how many there were with the others, and stops at `most` of these.
fn above(
    api: &impl Api,
    mark: i64,
    most: usize,
    filter: &Query,
    mut each: impl FnMut(&Value),
) -> Result<usize, OperatorError> {
    let mut seen = 0;
    let mut before: Option<i64> = None;
    loop {
        let mut query = filter.clone();
        query.push(("limit", list::PAGE.to_string()));
        list::push(&mut query, "before", before.as_ref());
        let mut answer = api.get("/api/deliveries", &query)?;
        let page: Vec<Value> = serde_json::from_value(answer["deliveries"].take())?;
        let mut here = 0;
        for one in &page {
            let id = one["id"].as_i64().unwrap_or(0);
            if id <= mark {
                break;
            }
            here += 1;
            before = Some(id);
            if one["manual"] == true {
                each(one);
            }
        }
        seen += here;
        // A short page, or one that reaches back to before the replay, is the last.
        if here < list::PAGE || seen >= most {
            return Ok(seen);
        }
    }
}
