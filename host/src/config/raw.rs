//! The configuration as typed: each key may be absent, nothing is resolved.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::limits::{RawCeilings, RawLimits};
use super::secret::SecretRef;
use super::secrets::RawSecrets;
use super::units::{Size, Span};
use crate::confine::Mode;
use crate::types::EndpointName;

/// A struct of optional keys that can be laid over another one.
macro_rules! keys {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Option<$type>,)*
        }

        impl $name {
            fn over(self, below: Self) -> Self {
                Self { $($field: self.$field.or(below.$field),)* }
            }
        }
    };
}

keys! {
    /// `[admin]`
    RawAdmin {
        /// Where the operator's listener listens.
        listen: SocketAddr,
        /// What its clients must know.
        token: SecretRef,
    }
}

keys! {
    /// `[host]`
    RawHost {
        /// Whether the host gives up what it doesn't need.
        confine: Mode,
    }
}

keys! {
    /// `[ingest]`
    RawIngest {
        /// The largest body.
        max_body: Size,
        /// The most requests at once.
        max_in_flight: usize,
        /// The most connections at once; more wait.
        max_connections: usize,
        /// How long a body may take.
        body_timeout: Span,
        /// How long a head may take, and a kept connection be idle.
        header_timeout: Span,
        /// How long requests in flight and running attempts get on shutdown.
        shutdown_grace: Span,
    }
}

keys! {
    /// `[journal]`
    RawJournal {
        /// For how long the same event counts as a duplicate; `"0"` is off.
        dedupe_window: Span,
        /// For how long deliveries wait for a removed plugin.
        parked_for: Span,
        /// For how long finished events are kept.
        retention: Span,
        /// How large the store may be before the oldest finished events go.
        retention_size: Size,
        /// Bytes of keys and values that one plugin may have.
        kv_quota: Size,
        /// Counters that one plugin may have.
        counters_quota: u64,
        /// Bytes of requests in the outbox that one plugin may have, those that were
        /// given up included.
        outbox_quota: Size,
    }
}

keys! {
    /// `[compile]`
    RawCompile {
        /// Memory of a compile child.
        memory: Size,
        /// CPU time of a compile child.
        cpu: Span,
        /// Time of a compile child in all.
        wall: Span,
        /// How large the cache of compiled code may be.
        cache: Size,
    }
}

keys! {
    /// `[outbound]`
    RawOutbound {
        /// Networks that requests may go to besides public addresses.
        allow_private: Vec<String>,
        /// Certificates of authorities to trust besides Mozilla's.
        ca_file: PathBuf,
        /// How long one exchange may take.
        timeout: Span,
        /// Attempts to send a request of the outbox.
        attempts: u32,
        /// The longest pause between two of them.
        retry_max: Span,
        /// Requests of one plugin in flight at once.
        per_plugin: usize,
        /// Requests in flight at once in all.
        total: usize,
    }
}

/// The type of an `[[auth]]` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawScheme {
    /// A header with a fixed value.
    Header,
    /// HMAC over the body.
    Hmac,
    /// HMAC over timestamp and body.
    HmacTimestamped,
}

/// `[[auth]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAuth {
    /// Which scheme.
    #[serde(rename = "type")]
    pub scheme: RawScheme,
    /// The header's name, for `header`.
    pub name: Option<String>,
    /// The header's value, or the HMAC's key.
    pub secret: SecretRef,
}

/// `[[endpoint]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEndpoint {
    /// Its name in the store.
    pub name: EndpointName,
    /// The URL's path.
    pub path: Option<String>,
    /// Its plugins' folder.
    pub plugins: PathBuf,
    /// `[[endpoint.auth]]`
    #[serde(default)]
    pub auth: Vec<RawAuth>,
    /// `[endpoint.secrets]`
    #[serde(default)]
    pub secrets: RawSecrets,
    /// For how long the same event counts as a duplicate; `"0"` is off.
    pub dedupe_window: Option<Span>,
}

/// `hookbox.toml`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// Where webhooks come in.
    pub listen: Option<SocketAddr>,
    /// The plugins' folder.
    pub plugins: Option<PathBuf>,
    /// The store's folder.
    pub data: Option<PathBuf>,
    /// Whether to listen beyond this machine without authentication.
    pub allow_open: Option<bool>,
    /// `[admin]`
    #[serde(default)]
    pub admin: RawAdmin,
    /// `[host]`
    #[serde(default)]
    pub host: RawHost,
    /// `[[auth]]`
    #[serde(default)]
    pub auth: Vec<RawAuth>,
    /// `[secrets]`
    #[serde(default)]
    pub secrets: RawSecrets,
    /// `[[endpoint]]`
    #[serde(default, rename = "endpoint")]
    pub endpoints: Vec<RawEndpoint>,
    /// `[ingest]`
    #[serde(default)]
    pub ingest: RawIngest,
    /// `[journal]`
    #[serde(default)]
    pub journal: RawJournal,
    /// `[limits]`
    #[serde(default)]
    pub limits: RawLimits,
    /// `[ceilings]`
    #[serde(default)]
    pub ceilings: RawCeilings,
    /// `[compile]`
    #[serde(default)]
    pub compile: RawCompile,
    /// `[outbound]`
    #[serde(default)]
    pub outbound: RawOutbound,
}

impl RawConfig {
    /// The store's folder, given or not.
    pub(super) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| "./data".into())
    }

    /// Lays this over `below`: what is given here counts.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            plugins: self.plugins.or(below.plugins),
            data: self.data.or(below.data),
            allow_open: self.allow_open.or(below.allow_open),
            admin: self.admin.over(below.admin),
            host: self.host.over(below.host),
            auth: if self.auth.is_empty() {
                below.auth
            } else {
                self.auth
            },
            secrets: if self.secrets.is_empty() {
                below.secrets
            } else {
                self.secrets
            },
            endpoints: if self.endpoints.is_empty() {
                below.endpoints
            } else {
                self.endpoints
            },
            ingest: self.ingest.over(below.ingest),
            journal: self.journal.over(below.journal),
            limits: self.limits.over(below.limits),
            ceilings: self.ceilings.over(below.ceilings),
            compile: self.compile.over(below.compile),
            outbound: self.outbound.over(below.outbound),
        }
    }

    /// Makes the paths in it start at `base`, where the file lies.
    pub(super) fn rebase(&mut self, base: &std::path::Path) {
        let ca_file = &mut self.outbound.ca_file;
        let places = [&mut self.plugins, &mut self.data, ca_file];
        let folders = self.endpoints.iter_mut().map(|entry| &mut entry.plugins);
        for path in places.into_iter().flatten().chain(folders) {
            *path = base.join(&path);
        }
        let mut secrets: Vec<&mut SecretRef> = self.admin.token.as_mut().into_iter().collect();
        let own = (&mut self.auth, &mut self.secrets);
        let of_endpoints = self.endpoints.iter_mut();
        let of_endpoints = of_endpoints.map(|entry| (&mut entry.auth, &mut entry.secrets));
        for (auth, offered) in std::iter::once(own).chain(of_endpoints) {
            secrets.extend(auth.iter_mut().map(|entry| &mut entry.secret));
            secrets.extend(offered.values_mut().map(|entry| &mut entry.from));
        }
        for secret in secrets {
            if let SecretRef::File(path) = secret {
                *path = base.join(&path);
            }
        }
    }

    /// Every secret that is named, with its key.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let mut all = Vec::new();
        if let Some(token) = &self.admin.token {
            all.push(("admin.token".to_owned(), token));
        }
        let own = (String::new(), &self.auth, &self.secrets);
        let lists = self.endpoints.iter().enumerate();
        let lists =
            lists.map(|(at, entry)| (format!("endpoint[{at}]."), &entry.auth, &entry.secrets));
        for (of, auth, secrets) in std::iter::once(own).chain(lists) {
            for (at, entry) in auth.iter().enumerate() {
                all.push((format!("{of}auth[{at}].secret"), &entry.secret));
            }
            for (name, entry) in secrets {
                all.push((format!("{of}secrets.{name}"), &entry.from));
            }
        }
        all
    }
}
