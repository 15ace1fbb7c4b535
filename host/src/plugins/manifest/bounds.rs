//! Checks `[limits]` against the operator's.

use super::raw::RawLimits;
use super::{ManifestError, Policy};
use crate::config::{Size, Span};
use crate::sandbox::{AttemptLimits, EffectLimits, HttpLimits};

/// A value of `[limits]`.
pub(super) trait Limit: PartialOrd + std::fmt::Display {
    fn is_nothing(&self) -> bool;
}

impl Limit for Size {
    fn is_nothing(&self) -> bool {
        self.0 == 0
    }
}

impl Limit for Span {
    fn is_nothing(&self) -> bool {
        self.0.is_zero()
    }
}

impl Limit for usize {
    fn is_nothing(&self) -> bool {
        *self == 0
    }
}

/// Checks limits against the operator's.
pub(super) struct Bounds<'a> {
    pub(super) file: &'a str,
    pub(super) policy: &'a Policy,
}

impl Bounds<'_> {
    /// What an attempt may use.
    pub(super) fn attempt(&self, asked: &RawLimits) -> Result<AttemptLimits, ManifestError> {
        let span = |key, asked, of| self.pick::<Span>(key, asked, of);
        let size = |key, asked, of| self.pick::<Size>(key, asked, of);
        Ok(AttemptLimits {
            memory: size("memory", asked.memory, |of| Size(of.attempt.memory))?.0,
            cpu: span("cpu", asked.cpu, |of| Span(of.attempt.cpu))?.0,
            wall: span("wall", asked.wall, |of| Span(of.attempt.wall))?.0,
            log: size("log", asked.log, |of| Size(of.attempt.log as u64))?.bytes(),
            effects: self.effects(asked)?,
            http: self.http(asked)?,
        })
    }

    /// What an attempt may request itself.
    fn http(&self, asked: &RawLimits) -> Result<HttpLimits, ManifestError> {
        let response = |of: &Policy| Size(of.attempt.http.response_body as u64);
        Ok(HttpLimits {
            requests: self.pick("http_requests", asked.http_requests, |of| {
                of.attempt.http.requests
            })?,
            response_body: self
                .pick::<Size>("http_response", asked.http_response, response)?
                .bytes(),
            ..self.policy.attempt.http
        })
    }

    /// What an attempt may keep and have sent.
    fn effects(&self, asked: &RawLimits) -> Result<EffectLimits, ManifestError> {
        let size = |key, asked, of| self.pick::<Size>(key, asked, of);
        Ok(EffectLimits {
            kv_value: size("kv_value", asked.kv_value, |of| {
                Size(of.attempt.effects.kv_value as u64)
            })?
            .bytes(),
            kv_total: size("kv_total", asked.kv_total, |of| {
                Size(of.attempt.effects.kv_total)
            })?
            .0,
            requests: self.pick("requests", asked.requests, |of| of.attempt.effects.requests)?,
            request_body: size("request_body", asked.request_body, |of| {
                Size(of.attempt.effects.request_body as u64)
            })?
            .bytes(),
            ..self.policy.attempt.effects
        })
    }

    /// What is asked for, if it is no more than the ceiling; without that, the
    /// ceiling.
    pub(super) fn pick<T>(
        &self,
        key: &'static str,
        asked: Option<T>,
        of: fn(&Policy) -> T,
    ) -> Result<T, ManifestError>
    where
        T: Limit,
    {
        let Some(asked) = asked else {
            return Ok(of(self.policy));
        };
        let ceiling = of(self.policy);
        if asked > ceiling {
            return Err(ManifestError::AboveCeiling {
                file: self.file.to_owned(),
                key,
                asked: asked.to_string(),
                ceiling: ceiling.to_string(),
            });
        }
        if asked.is_nothing() {
            return Err(ManifestError::Zero {
                file: self.file.to_owned(),
                key,
            });
        }
        Ok(asked)
    }
}
