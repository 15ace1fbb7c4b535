//! `wasi:config/store`: the tables `[config]` and `[secrets]` of the plugin's
//! manifest. A secret is had by its key only: who lists all that there is, to
//! print it say, doesn't have it by accident.

use crate::sandbox::adapters::bindings::wasi::config::store::{Error, Host};
use crate::sandbox::state::State;

impl Host for State {
    fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        let plain = self.config.get(&key).cloned();
        Ok(plain.or_else(|| self.secrets.text(&key)))
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        let pair = |(key, value): (&String, &String)| (key.clone(), value.clone());
        Ok(self.config.iter().map(pair).collect())
    }
}
