//! Landlock: the host's own places in the file system, the ports it listens on,
//! and no signal to a process that it did not start.
//!
//! Where it connects to is not restricted here: plugins' requests go to any port,
//! and [`crate::outbound`] checks each address.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};

use super::Degree;
use super::places::{Place, Use};

/// The newest of what is asked for; older kernels give what they have.
const NEWEST: ABI = ABI::V6;

/// Forbids the rest to this thread and to whatever it starts. What isn't there
/// is left out.
pub(super) fn restrict(places: &[Place], ports: &[u16]) -> Degree {
    match try_to(places, ports) {
        Ok(RulesetStatus::FullyEnforced) => Degree::Full,
        Ok(RulesetStatus::PartiallyEnforced) => Degree::Partly,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Degree::No,
    }
}

fn try_to(places: &[Place], ports: &[u16]) -> Result<RulesetStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for place in places {
        ruleset = ruleset.add_rules(path_beneath_rules([&place.path], rights(place.used)))?;
    }
    for &port in ports {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

fn rights(used: Use) -> BitFlags<AccessFs> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    match used {
        Use::Read => read,
        Use::Run => read | AccessFs::Execute,
        Use::Write => read | AccessFs::WriteFile,
        Use::Own => {
            let made = make_bitflags!(AccessFs::{MakeDir | MakeReg | RemoveDir | RemoveFile});
            read | made | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::Refer
        }
    }
}
