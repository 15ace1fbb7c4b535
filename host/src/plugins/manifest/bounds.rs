//! Checks `[limits]` against the operator's.

use super::{ManifestError, Policy};
use crate::config::{Amount, ManifestLimits};
use crate::sandbox::AttemptLimits;

/// Checks limits against the operator's.
pub(super) struct Bounds<'a> {
    pub(super) file: &'a str,
    pub(super) policy: &'a Policy,
}

impl Bounds<'_> {
    /// What an attempt may use: what is asked for, if it is no more than the ceiling;
    /// without that, what the operator gives.
    pub(super) fn attempt(&self, asked: &ManifestLimits) -> Result<AttemptLimits, ManifestError> {
        let Policy {
            attempt, ceilings, ..
        } = self.policy;
        asked.onto(*attempt, ceilings, |key, asked, ceiling| {
            self.check(key, asked, ceiling)
        })
    }

    /// How many attempts may run at once.
    pub(super) fn concurrency(&self, asked: &ManifestLimits) -> Result<usize, ManifestError> {
        let ceiling = self.policy.concurrency;
        let Some(asked) = asked.concurrency else {
            return Ok(ceiling);
        };
        if asked > ceiling {
            return Err(ManifestError::AbovePerPlugin {
                file: self.file.to_owned(),
                asked,
                ceiling,
            });
        }
        self.check("concurrency", asked.into(), ceiling.into())?;
        Ok(asked)
    }

    fn check(
        &self,
        key: &'static str,
        asked: Amount,
        ceiling: Amount,
    ) -> Result<(), ManifestError> {
        let file = || self.file.to_owned();
        if asked > ceiling {
            return Err(ManifestError::AboveCeiling {
                file: file(),
                key,
                asked: asked.to_string(),
                ceiling: ceiling.to_string(),
            });
        }
        if asked.is_nothing() {
            return Err(ManifestError::Zero { file: file(), key });
        }
        Ok(())
    }
}
