//! `wasi:keyvalue/batch`: several entries in one call.

use wasmtime::component::Resource;

use super::Bucket;
use crate::sandbox::adapters::bindings::wasi::keyvalue::batch::Host;
use crate::sandbox::state::State;
use crate::sandbox::stop::Trouble;

impl Host for State {
    async fn get_many(
        &mut self,
        handle: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        let values = self.collect.entries.get_many(&bucket.name, &keys).await?;
        let values = values.into_iter().map(|value| value.map(Into::into));
        Ok(keys.into_iter().zip(values).collect())
    }

    async fn set_many(
        &mut self,
        handle: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        for (key, value) in key_values {
            let value = Some(value.into());
            self.collect.entries.put(&bucket.name, &key, value).await?;
        }
        Ok(())
    }

    async fn delete_many(
        &mut self,
        handle: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<(), Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        for key in keys {
            self.collect.entries.put(&bucket.name, &key, None).await?;
        }
        Ok(())
    }
}
