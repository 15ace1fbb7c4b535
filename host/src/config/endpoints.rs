//! `[[endpoint]]`: URL paths with plugins and authentication of their own, and
//! the checks that keep them apart.
//!
//! Without an entry there is one endpoint, `default` at `/webhook`, with the top
//! level's `plugins` and `[[auth]]`. With entries it is there as well only if the
//! top level names `plugins`: who writes entries wants just these, unless they
//! say otherwise.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::raw::{RawConfig, RawEndpoint};
use super::resolve::{Env, schemes, value};
use super::{ConfigError, secrets};
use crate::ingest::Endpoint;
use crate::ingest::auth::Scheme;
use crate::types::EndpointName;
use crate::types::secrets::Offered;

/// The plugins folder of the default endpoint.
const PLUGINS: &str = "./plugins";
/// Paths of the webhook listener that are no endpoints.
const TAKEN: [&str; 2] = ["/healthz", "/readyz"];
/// The longest path: what is longer is a mistake.
const MAX_PATH: usize = 256;
/// How many links one after the other are followed to what isn't there yet.
const MAX_LINKS: usize = 8;

/// An endpoint: where its events come in, who may post them and which plugins
/// they are for.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Its name in the store.
    pub name: EndpointName,
    /// The URL's path.
    pub path: String,
    /// Its plugins' folder.
    pub plugins: PathBuf,
    /// Who may post; everyone on this machine if empty.
    pub auth: Vec<Scheme>,
    /// What its plugins may have.
    pub secrets: Arc<Offered>,
}

/// The endpoints, each checked by itself, against the others and the data folder.
pub(super) fn resolve(
    raw: &RawConfig,
    listen: SocketAddr,
    env: Env<'_>,
) -> Result<Vec<EndpointConfig>, ConfigError> {
    let mut endpoints = Vec::new();
    if raw.endpoints.is_empty() || raw.plugins.is_some() {
        let auth = schemes("auth", &raw.auth, env)?;
        let Endpoint { name, path, auth } = Endpoint::default_endpoint(auth);
        endpoints.push(EndpointConfig {
            name,
            path,
            plugins: raw.plugins.clone().unwrap_or_else(|| PLUGINS.into()),
            auth,
            secrets: Arc::new(secrets::resolve("secrets", &raw.secrets, env)?),
        });
    } else if !raw.auth.is_empty() {
        return Err(value(
            "auth",
            "it belongs to the endpoint `default`, which isn't there: with `[[endpoint]]`, name its folder with a `plugins` at the top level, or write `[[endpoint.auth]]` below each endpoint",
        ));
    }
    if endpoints.is_empty() && !raw.secrets.is_empty() {
        return Err(value(
            "secrets",
            "they belong to the endpoint `default`, which isn't there: with `[[endpoint]]`, name its folder with a `plugins` at the top level, or write `[endpoint.secrets]` below each endpoint",
        ));
    }
    for (at, entry) in raw.endpoints.iter().enumerate() {
        endpoints.push(endpoint(at, entry, env)?);
    }
    apart(&endpoints)?;
    beside_the_store(&endpoints, &raw.data())?;
    let open = endpoints.iter().find(|endpoint| endpoint.auth.is_empty());
    if let Some(open) = open
        && !listen.ip().is_loopback()
        && raw.allow_open != Some(true)
    {
        let what = if raw.endpoints.is_empty() {
            "no `[[auth]]` is configured".to_owned()
        } else {
            format!("the endpoint `{}` has no `auth`", open.name)
        };
        return Err(value(
            "listen",
            &format!(
                "{listen} can be reached from other machines and {what}: \
                 add one, listen on 127.0.0.1, or set `allow_open = true` if anyone may post"
            ),
        ));
    }
    Ok(endpoints)
}

fn endpoint(at: usize, entry: &RawEndpoint, env: Env<'_>) -> Result<EndpointConfig, ConfigError> {
    let own = format!("/webhook/{}", entry.name);
    let path = entry.path.clone().unwrap_or(own);
    check_path(&path).map_err(|what| {
        value(
            &format!("endpoint[{at}].path"),
            &format!("{path:?} {what}: write a path such as \"/webhook/shop\""),
        )
    })?;
    Ok(EndpointConfig {
        name: entry.name.clone(),
        path,
        plugins: entry.plugins.clone(),
        auth: schemes(&format!("endpoint[{at}].auth"), &entry.auth, env)?,
        secrets: Arc::new(secrets::resolve(
            &format!("endpoint[{at}].secrets"),
            &entry.secrets,
            env,
        )?),
    })
}

/// Paths are compared as they are sent, so they hold nothing that can be written
/// in two ways, and nothing that a router reads as a pattern.
fn check_path(path: &str) -> Result<(), &'static str> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err("doesn't start with a slash");
    };
    if path.len() > MAX_PATH {
        return Err("is too long");
    }
    if TAKEN.contains(&path) {
        return Err("is the host's own");
    }
    for segment in rest.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err("has an empty part, or one of dots");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
        if !segment.chars().all(plain) {
            return Err("holds other characters than letters, digits, '-', '_', '.' and '~'");
        }
    }
    Ok(())
}

/// No two endpoints share a name, a path or (part of) a folder: what comes in at
/// one must never reach the plugins of another.
fn apart(endpoints: &[EndpointConfig]) -> Result<(), ConfigError> {
    for (at, one) in endpoints.iter().enumerate() {
        for other in endpoints.iter().take(at) {
            if one.name == other.name {
                return Err(value(
                    "endpoint",
                    &format!("there are two endpoints with the name `{}`", one.name),
                ));
            }
            let both = format!("`{}` and `{}`", other.name, one.name);
            if one.path == other.path {
                return Err(value(
                    "endpoint",
                    &format!("{both} have the same path {:?}", one.path),
                ));
            }
            let (a, b) = (place(&one.plugins), place(&other.plugins));
            if a.starts_with(&b) || b.starts_with(&a) {
                return Err(value(
                    "endpoint",
                    &format!(
                        "the plugins folders of {both} are the same or lie one in the other ({} and {}): give each a folder of its own",
                        other.plugins.display(),
                        one.plugins.display()
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// The host writes into its data folder all the time, and nobody else may: it is
/// no place for plugins to be dropped in.
fn beside_the_store(endpoints: &[EndpointConfig], data: &Path) -> Result<(), ConfigError> {
    let data_place = place(data);
    let inside = |endpoint: &&EndpointConfig| place(&endpoint.plugins) == data_place;
    match endpoints.iter().find(inside) {
        None => Ok(()),
        Some(endpoint) => Err(value(
            "data",
            &format!(
                "{} is also the plugins folder of the endpoint `{}`: give each a folder of its own",
                data.display(),
                endpoint.name
            ),
        )),
    }
}

/// Where a folder is or will be: links followed, also those to what isn't there
/// yet.
fn place(folder: &Path) -> PathBuf {
    place_through(folder, MAX_LINKS)
}

fn place_through(folder: &Path, links: usize) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut found = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                found.pop();
            }
            Component::CurDir => {}
            part => found.push(part),
        }
        if let Ok(real) = found.canonicalize() {
            found = real;
        } else if let Ok(target) = found.read_link()
            && links > 0
        {
            found.pop();
            found = place_through(&found.join(target), links - 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain() {
        for good in ["/webhook", "/a/b-c_d.e~f", "/X1", "/webhook/healthz"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        let long = format!("/{}", "a".repeat(MAX_PATH));
        for bad in [
            "", "a", "/", "/a/", "//a", "/a//b", "/../a", "/a/.", "/{a}", "/*a", "/a b", "/a?b",
            "/a#b", "/a%2fb", "/ä", "/healthz", "/readyz", &long,
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_is_the_same_through_dots_and_links() {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let at = |path: &str| scratch.path().join(path);
        std::fs::create_dir_all(at("real/inner")).expect("made");
        std::os::unix::fs::symlink(at("real"), at("link")).expect("linked");
        assert_eq!(place(&at("link/new")), place(&at("real/new")));
        assert_eq!(place(&at("real/new/../inner")), place(&at("link/inner")));
        assert_ne!(place(&at("real")), place(&at("real2")));
        let link = |target: &str, name| {
            std::os::unix::fs::symlink(target, at(name)).expect("linked");
        };
        link("soon", "early");
        link("early/x", "earlier");
        assert_eq!(place(&at("early/y")), place(&at("soon/y")));
        assert_eq!(place(&at("earlier")), place(&at("soon/x")));
        link("loop", "loop");
        assert_ne!(place(&at("loop")), place(&at("soon")));
    }
}
