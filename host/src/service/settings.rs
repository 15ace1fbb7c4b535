//! The configuration, as each part wants it.

use std::sync::Arc;
use std::time::Duration;

use super::ServiceError;
use crate::config::{EndpointConfig, Limits, OutboundConfig};
use crate::dispatch;
use crate::ingest::Endpoint;
use crate::outbound::{self, Client, Connector, SystemResolver};
use crate::plugins::manifest::Policy;
use crate::sandbox::EngineLimits;

/// How long resolving, connecting and the TLS handshake of a request may take
/// each: one address that doesn't answer must leave time for another.
const CONNECT_STEP: Duration = Duration::from_secs(10);

/// What ingest needs of an endpoint.
pub(super) fn entrance(endpoint: &EndpointConfig) -> Endpoint {
    Endpoint {
        name: endpoint.name.clone(),
        path: endpoint.path.clone(),
        auth: endpoint.auth.clone(),
    }
}

pub(super) fn client(config: &OutboundConfig) -> Result<Client, ServiceError> {
    let authorities = match &config.ca_file {
        Some(path) => outbound::connect::read_ca_file(path)?,
        None => Vec::new(),
    };
    let resolver = Arc::new(SystemResolver);
    let step = CONNECT_STEP.min(config.timeout);
    let connector = Connector::new(resolver, config.allowed.clone(), authorities, step);
    let bounds = outbound::client::Bounds {
        total: config.timeout,
        ..outbound::client::Bounds::default()
    };
    Ok(Client::new(connector, bounds))
}

pub(super) fn engine_limits(limits: &Limits) -> EngineLimits {
    EngineLimits {
        // And the smoke attempt: it waits for no turn, and should find room beside them.
        attempts: u32::try_from(limits.total.saturating_add(1)).unwrap_or(u32::MAX),
        max_memory: limits.ceilings.memory,
    }
}

pub(super) fn dispatch_limits(limits: &Limits, grace: Duration) -> dispatch::Limits {
    dispatch::Limits {
        attempts: limits.total,
        attempts_per_endpoint: limits.per_endpoint,
        memory_budget: limits.memory_budget,
        drain: grace,
    }
}

/// What plugins get, and at most.
pub(crate) fn policy(limits: &Limits) -> Policy {
    Policy {
        attempt: limits.attempt,
        ceilings: limits.ceilings,
        concurrency: limits.per_plugin,
    }
}
