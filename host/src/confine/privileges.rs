//! No new privileges, and of root's only those that a host may have been given
//! for a reason: low ports, and folders of other users.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};

use super::Degree;

const KEPT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER);

/// Gives up the rest. Without new privileges a child doesn't get it back.
pub(super) fn drop() -> Degree {
    match (set_no_new_privs(true), give_up()) {
        (Ok(()), Ok(())) => Degree::Full,
        (Ok(()), Err(_)) => Degree::Partly,
        (Err(_), _) => Degree::No,
    }
}

fn give_up() -> io::Result<()> {
    let now = capabilities(None)?;
    let sets = CapabilitySets {
        effective: now.effective.intersection(KEPT),
        permitted: now.permitted.intersection(KEPT),
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}
