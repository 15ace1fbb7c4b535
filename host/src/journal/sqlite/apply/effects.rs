//! An attempt's effects: first all that may refuse them, then all that they
//! write.

use rusqlite::Connection;

use super::super::totals::Totals;
use super::owner::Owner;
use super::{Halt, News, counters, kv, outbox};
use crate::journal::{Finish, JournalError, JournalOptions, Next};
use crate::types::UnixMicros;

/// Effects that have been checked.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    owner: Owner,
    kv: Option<kv::Plan<'a>>,
    counters: Option<counters::Plan<'a>>,
    outbox: Option<outbox::Plan<'a>>,
}

/// Checks that what the attempt read is still so and that what it writes fits.
pub(super) fn check<'a>(
    conn: &Connection,
    finish: &'a Finish,
    options: &JournalOptions,
) -> Result<Plan<'a>, Halt> {
    let owner = Owner::of(conn, finish.delivery)?;
    let owner = owner.ok_or(Halt::Refused(JournalError::Superseded))?;
    let effects = &finish.effects;
    kv::check(conn, owner.plugin, &effects.kv)?;
    let mut plan = Plan {
        owner,
        kv: None,
        counters: None,
        outbox: None,
    };
    if finish.next != Next::Done {
        return Ok(plan);
    }
    if !effects.kv.writes.is_empty() {
        plan.kv = Some(kv::plan(conn, owner, &effects.kv.writes, options.kv_quota)?);
    }
    if !effects.counters.is_empty() {
        let quota = options.counters_quota;
        plan.counters = Some(counters::plan(conn, owner, &effects.counters, quota)?);
    }
    if !effects.outbox.is_empty() {
        plan.outbox = Some(outbox::plan(
            conn,
            owner,
            &effects.outbox,
            options.outbox_quota,
        )?);
    }
    Ok(plan)
}

impl Plan<'_> {
    /// Writes them.
    pub(super) fn keep(
        self,
        conn: &Connection,
        totals: &mut Totals,
        news: &mut News,
    ) -> Result<(), Halt> {
        if let Some(kv) = self.kv {
            totals.kv_version += 1;
            kv.keep(conn, self.owner, totals.kv_version)?;
        }
        if let Some(counters) = self.counters {
            counters.keep(conn, self.owner)?;
        }
        if let Some(outbox) = self.outbox {
            outbox.queue(conn, totals, self.owner, UnixMicros::now())?;
            news.queued = true;
        }
        Ok(())
    }
}
