//! `wasi:config/store`: the `[config]` table of the plugin's manifest.

use crate::sandbox::adapters::bindings::wasi::config::store::{Error, Host};
use crate::sandbox::state::State;

impl Host for State {
    fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        Ok(self.config.get(&key).cloned())
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        let pair = |(key, value): (&String, &String)| (key.clone(), value.clone());
        Ok(self.config.iter().map(pair).collect())
    }
}
