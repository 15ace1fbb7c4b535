//! Which host: its admin listener and what it wants to know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::client::Client;
use crate::config::{Config, ConfigError, Overrides, SecretError, SecretRef};
use crate::types::Secret;

/// Where the host listens without a configuration.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3001);

/// Flags of every command that talks to a running host.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Target {
    /// The host's admin listener [default: the configuration's, else 127.0.0.1:3001].
    #[arg(long, value_name = "URL|ADDR", help_heading = "The host")]
    pub(crate) admin: Option<String>,
    /// Its admin token, `env:NAME` or `file:PATH` [default: the configuration's].
    #[arg(long, value_name = "REFERENCE", help_heading = "The host")]
    pub(crate) token: Option<String>,
    /// The host's configuration [default: hookbox.toml if there is one].
    #[arg(long, value_name = "FILE", help_heading = "The host")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Why it isn't known where the host is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// The configuration can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The token can't be fetched.
    #[error("the admin token: {0}; name another one with --token env:NAME or file:PATH")]
    Token(#[from] SecretError),
    /// The configuration lets the system choose.
    #[error(
        "the configuration's admin listener has port 0, which is another one after each start: name it with --admin"
    )]
    NoPort,
}

impl Target {
    /// A client of the host.
    pub(crate) fn client(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Client, TargetError> {
        let (base, token) = self.resolve(env)?;
        Ok(Client::new(base, token))
    }

    fn resolve(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(String, Option<Secret>), TargetError> {
        // A host that is named by hand isn't told the token of another one.
        let configured = if self.admin.is_none() || self.config.is_some() {
            let overrides = Overrides {
                config: self.config.clone(),
                ..Overrides::default()
            };
            Config::layers(overrides, env)?.admin
        } else {
            Default::default()
        };
        let base = match &self.admin {
            Some(named) => base(named),
            None => format!("http://{}", reach(configured.listen.unwrap_or(DEFAULT))?),
        };
        let reference = match &self.token {
            Some(text) => Some(SecretRef::parse(text)?),
            None => configured.token,
        };
        let fetch = |reference: SecretRef| reference.resolve(Path::new(""), env);
        Ok((base, reference.map(fetch).transpose()?))
    }
}

fn base(named: &str) -> String {
    let url = if named.contains("://") {
        named.to_owned()
    } else {
        format!("http://{named}")
    };
    url.trim_end_matches('/').to_owned()
}

/// Where a listener is reached from this machine.
pub(crate) fn reach(listen: SocketAddr) -> Result<SocketAddr, TargetError> {
    if listen.port() == 0 {
        return Err(TargetError::NoPort);
    }
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(target: &Target, env: &dyn Fn(&str) -> Option<String>) -> (String, Option<Secret>) {
        target.resolve(env).expect("it resolves")
    }

    #[test]
    fn the_host_is_the_named_one_else_the_configured_one() {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let file = scratch.path().join("h.toml");
        // Only what is needed of it: the secret of an endpoint may be out of reach.
        std::fs::write(
            &file,
            "[[auth]]\ntype = 'hmac'\nsecret = 'env:NO'\n[admin]\nlisten = '0.0.0.0:81'\ntoken = 'env:T'\n",
        )
        .expect("written");
        let env = |name: &str| (name == "T").then(|| "t0".to_owned());
        let configured = Target {
            config: Some(file.clone()),
            ..Target::default()
        };
        let token = Some(Secret::new("t0"));
        assert_eq!(
            resolved(&configured, &env),
            ("http://127.0.0.1:81".to_owned(), token.clone())
        );
        let both = Target {
            admin: Some("https://example.com/".into()),
            ..configured
        };
        assert_eq!(
            resolved(&both, &env),
            ("https://example.com".to_owned(), token)
        );
        let named = Target {
            admin: Some("[::1]:9".into()),
            ..Target::default()
        };
        let variables = |name: &str| match name {
            "HOOKBOX_CONFIG" => Some(file.display().to_string()),
            other => env(other),
        };
        assert_eq!(
            resolved(&named, &variables),
            ("http://[::1]:9".to_owned(), None)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = |_: &str| None;
        let literal = Target {
            admin: Some("x".into()),
            token: Some("hunter2".into()),
            ..Target::default()
        };
        let error = literal
            .resolve(&none)
            .expect_err("no reference")
            .to_string();
        assert!(
            error.contains("env:NAME") && !error.contains("hunter2"),
            "{error}"
        );
        let any = |name: &str| (name == "HOOKBOX_ADMIN_LISTEN").then(|| "127.0.0.1:0".to_owned());
        let error = Target::default().resolve(&any).expect_err("no port");
        assert!(error.to_string().contains("--admin"), "{error}");
    }
}
