//! `wasi:keyvalue/store`: buckets and their entries.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::Bucket;
use crate::sandbox::adapters::bindings::wasi::keyvalue::store::{
    Error, Host, HostBucket, KeyResponse,
};
use crate::sandbox::entries::check_bucket;
use crate::sandbox::state::State;
use crate::sandbox::stop::Trouble;

impl Host for State {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Trouble> {
        check_bucket(&identifier)?;
        let name = Arc::from(identifier);
        self.collect.push(Bucket { name })
    }

    fn convert_error(&mut self, trouble: Trouble) -> wasmtime::Result<Error> {
        match trouble {
            Trouble::Stop(stop) => Err(stop.into()),
            Trouble::Broken(error) => Err(error),
            Trouble::Refused(refusal) => Ok(Error::Other(refusal.to_string())),
        }
    }
}

impl HostBucket for State {
    async fn get(
        &mut self,
        handle: Resource<Bucket>,
        key: String,
    ) -> Result<Option<Vec<u8>>, Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        let value = self.collect.entries.get(&bucket.name, &key).await?;
        Ok(value.map(Into::into))
    }

    async fn set(
        &mut self,
        handle: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        let entries = &mut self.collect.entries;
        entries.put(&bucket.name, &key, Some(value.into())).await
    }

    async fn delete(&mut self, handle: Resource<Bucket>, key: String) -> Result<(), Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        self.collect.entries.put(&bucket.name, &key, None).await
    }

    async fn exists(&mut self, handle: Resource<Bucket>, key: String) -> Result<bool, Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        let value = self.collect.entries.get(&bucket.name, &key).await?;
        Ok(value.is_some())
    }

    async fn list_keys(
        &mut self,
        handle: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<KeyResponse, Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        let page = self.collect.entries.list(&bucket.name, cursor).await?;
        Ok(KeyResponse {
            keys: page.keys,
            cursor: page.cursor,
        })
    }

    async fn drop(&mut self, handle: Resource<Bucket>) -> wasmtime::Result<()> {
        self.collect.handles.delete(handle)?;
        Ok(())
    }
}
