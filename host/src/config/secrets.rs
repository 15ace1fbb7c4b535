//! `[secrets]` and `[endpoint.secrets]`: what the operator offers to the plugins of
//! an endpoint, by reference.
//!
//! | entry | for |
//! | --- | --- |
//! | `NAME = "env:VAR"` | every plugin of the endpoint that names it |
//! | `NAME = { from = "file:PATH", plugins = ["p"] }` | only these |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::resolve::{Env, fetch, value};
use super::{ConfigError, SecretError, SecretRef};
use crate::types::PluginName;
use crate::types::secrets::{Known, Offered, SecretName};

/// The table as typed.
pub type RawSecrets = BTreeMap<SecretName, RawSecret>;

/// One entry of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSecret {
    /// Where it comes from.
    pub from: SecretRef,
    /// Who may have it; every plugin of the endpoint if `None`.
    pub plugins: Option<BTreeSet<PluginName>>,
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            from: SecretRef,
            plugins: BTreeSet<PluginName>,
        }

        struct Entry;
        // The standard messages for a wrong type repeat the value.
        impl<'de> Visitor<'de> for Entry {
            type Value = RawSecret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"env:NAME\", \"file:PATH\" or { from = \"…\", plugins = [\"…\"] }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawSecret, E> {
                let from = SecretRef::parse(text).map_err(E::custom)?;
                Ok(RawSecret {
                    from,
                    plugins: None,
                })
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<RawSecret, E> {
                Err(E::custom(SecretError::Literal))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<RawSecret, E> {
                Err(E::custom(SecretError::Literal))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<RawSecret, E> {
                Err(E::custom(SecretError::Literal))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawSecret, A::Error> {
                let Table { from, plugins } = Table::deserialize(MapAccessDeserializer::new(map))?;
                if plugins.is_empty() {
                    return Err(de::Error::custom(
                        "`plugins` is empty, so no plugin would have it: name some, or take the entry out",
                    ));
                }
                Ok(RawSecret {
                    from,
                    plugins: Some(plugins),
                })
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

/// Fetches the secrets of the table `table`.
pub(super) fn resolve(table: &str, raw: &RawSecrets, env: Env<'_>) -> Result<Offered, ConfigError> {
    let mut offered = Offered::default();
    for (name, RawSecret { from, plugins }) in raw {
        let key = format!("{table}.{name}");
        let secret = fetch(&key, from, env)?;
        let known = Known::new(secret).map_err(|why| value(&key, &why.to_string()))?;
        offered.add(name.clone(), known, plugins.clone());
    }
    Ok(offered)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, RawConfig, resolve as all};
    use super::*;
    use crate::types::secrets::Offer;

    fn env(name: &str) -> Option<String> {
        match name {
            "SHORT" => Some("1234567".into()),
            "GONE" => None,
            name => Some(format!("the-value-of-{name}")),
        }
    }

    fn read(text: &str) -> Result<Config, String> {
        let raw = Config::read_text(text, Path::new("conf/hookbox.toml"));
        let raw = raw.map_err(|error| error.to_string())?;
        all::resolve(raw, &env).map_err(|error| error.to_string())
    }

    fn error(text: &str) -> String {
        read(text).expect_err("it is wrong")
    }

    /// What the plugin finds under the key `k` when its manifest names `name`.
    fn found(config: &Config, endpoint: &str, plugin: &str, name: &str) -> Option<String> {
        let here = config.endpoints.iter();
        let endpoint = here.clone().find(|it| it.name.as_str() == endpoint);
        let endpoint = endpoint.expect("an endpoint");
        let offer = Offer {
            endpoint: endpoint.name.clone(),
            plugin: PluginName::new(plugin).expect("a name"),
            secrets: endpoint.secrets.clone(),
        };
        let name = SecretName::new(name).expect("a name");
        let given = offer.give(BTreeMap::from([("k".to_owned(), name)]));
        given.ok().and_then(|given| given.text("k"))
    }

    const SOME: &str = r#"
        plugins = "p"
        [secrets]
        ALL = "env:A"
        SLACK = { from = "env:B", plugins = ["slack"] }
        [[endpoint]]
        name = "shop"
        plugins = "s"
        secrets.ALL = "env:C"
    "#;

    #[test]
    fn each_endpoint_offers_its_own_to_those_it_names() {
        let config = read(SOME).expect("it is good");
        let all = Some("the-value-of-A".to_owned());
        assert_eq!(found(&config, "default", "any", "ALL"), all);
        assert_eq!(found(&config, "default", "any", "SLACK"), None);
        let slacks = Some("the-value-of-B".to_owned());
        assert_eq!(found(&config, "default", "slack", "SLACK"), slacks);
        let shops = Some("the-value-of-C".to_owned());
        assert_eq!(found(&config, "shop", "slack", "ALL"), shops);
        assert_eq!(found(&config, "shop", "slack", "SLACK"), None);
        let text = "the-value-of-A the-value-of-B the-value-of-C";
        assert_eq!(config.redactor().text(text), "[secret] [secret] [secret]");
    }

    #[test]
    fn references_are_listed_and_their_paths_start_at_the_file() {
        let text = r#"
            [secrets]
            KEY = { from = "file:key", plugins = ["p"] }
            [[endpoint]]
            name = "shop"
            plugins = "s"
            [endpoint.secrets]
            KEY = "env:A"
        "#;
        let raw: RawConfig =
            Config::read_text(text, Path::new("conf/hookbox.toml")).expect("it is good");
        let listed: Vec<_> = raw.secrets().into_iter().collect();
        assert_eq!(
            listed,
            [
                (
                    "secrets.KEY".to_owned(),
                    &SecretRef::File("conf/key".into())
                ),
                (
                    "endpoint[0].secrets.KEY".to_owned(),
                    &SecretRef::Env("A".into())
                ),
            ]
        );
    }

    #[test]
    fn what_is_wrong_stops_the_start_with_its_key_and_without_the_secret() {
        assert!(error("[secrets]\nA = 'env:GONE'").starts_with("`secrets.A`: the environment"));
        let short = error("[secrets]\nA = 'env:SHORT'");
        assert!(
            short.starts_with("`secrets.A`: the secret has less than 8 bytes"),
            "{short}"
        );
        for literal in ["A = 'xoxb-1'", "A = {from = 'xoxb-1', plugins = []}"] {
            let said = error(&format!("[secrets]\n{literal}"));
            assert!(said.contains("line 2"), "{said}");
            assert!(!said.contains("xoxb"), "{said}");
        }
        let said = error("[secrets]\nslack = 'env:A'");
        assert!(
            said.contains("line 2") && said.contains("capitals"),
            "{said}"
        );
        for nobody in ["A = {from = 'env:A'}", "A = {from = 'env:A', plugins = []}"] {
            let said = error(&format!("[secrets]\n{nobody}"));
            assert!(said.contains("plugins"), "{said}");
        }
        let said = error("[secrets]\nA = 'env:A'\n[[endpoint]]\nname = 'shop'\nplugins = 's'");
        assert!(
            said.starts_with("`secrets`: ") && said.contains("[endpoint.secrets]"),
            "{said}"
        );
    }
}
