//! Landlock: no file may be opened, made or run, no TCP port used, no process
//! outside signalled.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, RulesetStatus,
    Scope,
};

use super::Degree;

/// The newest of what is asked for; older kernels give what they have.
const NEWEST: ABI = ABI::V6;

/// Forbids it all to this thread and to whatever it starts.
pub(super) fn forbid() -> Degree {
    match try_to() {
        Ok(RulesetStatus::FullyEnforced) => Degree::Full,
        Ok(RulesetStatus::PartiallyEnforced) => Degree::Partly,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Degree::No,
    }
}

fn try_to() -> Result<RulesetStatus, RulesetError> {
    // There are no rules, and what is handled without a rule is forbidden.
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    Ok(ruleset.restrict_self()?.ruleset)
}
