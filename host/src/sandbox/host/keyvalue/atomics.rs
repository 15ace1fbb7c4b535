//! `wasi:keyvalue/atomics`: increment, and compare-and-swap. An attempt sees
//! nobody else's writes, so a swap fails only after a write of its own; what the
//! others did is checked when the outcome is stored.

use wasmtime::component::Resource;

use super::{Bucket, Cas};
use crate::sandbox::adapters::bindings::wasi::keyvalue::atomics::{CasError, Host, HostCas};
use crate::sandbox::adapters::bindings::wasi::keyvalue::store;
use crate::sandbox::state::State;
use crate::sandbox::stop::Trouble;

impl Host for State {
    async fn increment(
        &mut self,
        handle: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Result<i64, Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        let entries = &mut self.collect.entries;
        entries.increment(&bucket.name, &key, delta).await
    }

    async fn swap(
        &mut self,
        handle: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let cas = self.collect.handles.delete(handle)?;
        match swap(self, cas, value).await {
            Ok(None) => Ok(Ok(())),
            Ok(Some(changed)) => Ok(Err(CasError::CasFailed(changed))),
            Err(trouble) => {
                let error = store::Host::convert_error(self, trouble)?;
                Ok(Err(CasError::StoreError(error)))
            }
        }
    }
}

/// Swaps, or hands back the entry's present state.
async fn swap(
    state: &mut State,
    cas: Cas,
    value: Vec<u8>,
) -> Result<Option<Resource<Cas>>, Trouble> {
    let entries = &mut state.collect.entries;
    let present = entries.get(&cas.bucket.name, &cas.key).await?;
    if present != cas.value {
        let value = present;
        return state.collect.push(Cas { value, ..cas }).map(Some);
    }
    let value = Some(value.into());
    entries.put(&cas.bucket.name, &cas.key, value).await?;
    Ok(None)
}

impl HostCas for State {
    async fn new(
        &mut self,
        handle: Resource<Bucket>,
        key: String,
    ) -> Result<Resource<Cas>, Trouble> {
        let bucket = self.collect.bucket(&handle)?;
        let entries = &mut self.collect.entries;
        entries.claim(&bucket.name, &key).await?;
        let value = entries.get(&bucket.name, &key).await?;
        self.collect.push(Cas { bucket, key, value })
    }

    async fn current(&mut self, handle: Resource<Cas>) -> Result<Option<Vec<u8>>, Trouble> {
        let cas = self.collect.handles.get(&handle)?;
        Ok(cas.value.as_ref().map(|value| value.to_vec()))
    }

    async fn drop(&mut self, handle: Resource<Cas>) -> wasmtime::Result<()> {
        self.collect.handles.delete(handle)?;
        Ok(())
    }
}
