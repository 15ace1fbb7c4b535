//! The durable list of plugins as the writer holds it in memory: whom an event
//! is for is decided from here, in the commit that stores it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::journal::Installed;
use crate::types::event::Event;
use crate::types::{EndpointName, PluginKey, PluginName, Subscription, UnixMicros};

/// The list, by endpoint.
#[derive(Debug, Default)]
pub(super) struct Routes {
    endpoints: HashMap<EndpointName, Endpoint>,
}

#[derive(Debug)]
struct Endpoint {
    id: i64,
    /// In the order of their ids, so that routing is the same every time.
    plugins: Vec<Route>,
}

/// A plugin on the list.
#[derive(Debug)]
pub(super) struct Route {
    /// Its row.
    pub(super) id: i64,
    /// Its name.
    pub(super) key: PluginKey,
    subscription: Subscription,
}

impl Routes {
    /// Reads the list from the file.
    pub(super) fn load(conn: &Connection) -> Result<Self, rusqlite::Error> {
        let mut routes = Self::default();
        let mut statement = conn.prepare("SELECT id, name FROM endpoint")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, name) = (row.get(0)?, name_of(row.get(1)?)?);
            routes.endpoints.insert(
                name,
                Endpoint {
                    id,
                    plugins: Vec::new(),
                },
            );
        }
        let mut statement = conn.prepare(
            "SELECT p.id, e.name, p.name, p.subscription FROM plugin p
             JOIN endpoint e ON e.id = p.endpoint WHERE p.removed_at IS NULL ORDER BY p.id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let installed = installed_from(row.get(1)?, row.get(2)?, &row.get::<_, String>(3)?)?;
            routes.put(row.get(0)?, installed);
        }
        Ok(routes)
    }

    /// The row of an endpoint, made at its first event.
    pub(super) fn endpoint(
        &mut self,
        conn: &Connection,
        name: &EndpointName,
    ) -> Result<i64, rusqlite::Error> {
        if let Some(endpoint) = self.endpoints.get(name) {
            return Ok(endpoint.id);
        }
        conn.prepare_cached("INSERT INTO endpoint (name) VALUES (?1)")?
            .execute([name.as_str()])?;
        let id = conn.last_insert_rowid();
        self.endpoints.insert(
            name.clone(),
            Endpoint {
                id,
                plugins: Vec::new(),
            },
        );
        Ok(id)
    }

    /// The plugins that get an event.
    pub(super) fn for_event<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = &'a Route> {
        self.endpoints
            .get(&event.endpoint)
            .into_iter()
            .flat_map(|endpoint| &endpoint.plugins)
            .filter(|route| route.subscription.wants(event))
    }

    /// The row of a plugin on the list.
    pub(super) fn id_of(&self, key: &PluginKey) -> Option<i64> {
        let endpoint = self.endpoints.get(&key.endpoint)?;
        let route = endpoint.plugins.iter().find(|route| route.key == *key)?;
        Some(route.id)
    }

    /// Everything on the list, sorted by name.
    pub(super) fn installed(&self) -> Vec<Installed> {
        let mut all: Vec<_> = self
            .endpoints
            .values()
            .flat_map(|endpoint| &endpoint.plugins)
            .map(|route| Installed {
                key: route.key.clone(),
                subscription: route.subscription.clone(),
            })
            .collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// Puts a plugin on the list or changes its subscription.
    pub(super) fn install(
        &mut self,
        conn: &Connection,
        plugin: &Installed,
        now: UnixMicros,
    ) -> Result<(), rusqlite::Error> {
        let endpoint = self.endpoint(conn, &plugin.key.endpoint)?;
        let subscription = serde_json::to_string(&plugin.subscription)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let id = conn
            .prepare_cached(
                "INSERT INTO plugin (endpoint, name, subscription, installed_at)
                 VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (endpoint, name) DO UPDATE SET
                   subscription = excluded.subscription, removed_at = NULL,
                   installed_at = iif(removed_at IS NULL, installed_at, excluded.installed_at)
                 RETURNING id",
            )?
            .query_row(
                params![endpoint, plugin.key.plugin.as_str(), subscription, now.0],
                |row| row.get(0),
            )?;
        self.put(id, plugin.clone());
        Ok(())
    }

    /// Takes a plugin off the list.
    pub(super) fn uninstall(
        &mut self,
        conn: &Connection,
        key: &PluginKey,
        now: UnixMicros,
    ) -> Result<(), rusqlite::Error> {
        let Some(endpoint) = self.endpoints.get_mut(&key.endpoint) else {
            return Ok(());
        };
        conn.prepare_cached(
            "UPDATE plugin SET removed_at = ?3
             WHERE endpoint = ?1 AND name = ?2 AND removed_at IS NULL",
        )?
        .execute(params![endpoint.id, key.plugin.as_str(), now.0])?;
        endpoint.plugins.retain(|route| route.key != *key);
        Ok(())
    }

    fn put(&mut self, id: i64, installed: Installed) {
        let Some(endpoint) = self.endpoints.get_mut(&installed.key.endpoint) else {
            return;
        };
        let route = Route {
            id,
            key: installed.key,
            subscription: installed.subscription,
        };
        match endpoint.plugins.binary_search_by_key(&id, |route| route.id) {
            Ok(place) => endpoint.plugins[place] = route,
            Err(place) => endpoint.plugins.insert(place, route),
        }
    }
}

/// The row of a plugin, on the list or removed.
pub(super) fn plugin_row(
    conn: &Connection,
    key: &PluginKey,
) -> Result<Option<i64>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT p.id FROM plugin p JOIN endpoint e ON e.id = p.endpoint
         WHERE e.name = ?1 AND p.name = ?2",
    )?
    .query_row([key.endpoint.as_str(), key.plugin.as_str()], |r| r.get(0))
    .optional()
}

/// A plugin's subscription, if it is on the list.
pub(super) fn subscription(
    conn: &Connection,
    key: &PluginKey,
) -> Result<Option<Subscription>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT p.subscription FROM plugin p JOIN endpoint e ON e.id = p.endpoint
         WHERE e.name = ?1 AND p.name = ?2 AND p.removed_at IS NULL",
    )?
    .query_row([key.endpoint.as_str(), key.plugin.as_str()], |row| {
        let text: String = row.get(0)?;
        serde_json::from_str(&text).map_err(bad_text)
    })
    .optional()
}

/// A name from the file.
pub(super) fn name_of<T>(text: String) -> Result<T, rusqlite::Error>
where
    T: TryFrom<String>,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(text).map_err(bad_text)
}

fn installed_from(
    endpoint: String,
    plugin: String,
    subscription: &str,
) -> Result<Installed, rusqlite::Error> {
    Ok(Installed {
        key: PluginKey {
            endpoint: name_of::<EndpointName>(endpoint)?,
            plugin: name_of::<PluginName>(plugin)?,
        },
        subscription: serde_json::from_str(subscription).map_err(bad_text)?,
    })
}

/// Text in the file that no version of this program wrote.
pub(super) fn bad_text(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
