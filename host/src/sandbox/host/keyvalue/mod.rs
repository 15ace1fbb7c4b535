//! `wasi:keyvalue`: one file for each of its interfaces.

mod atomics;
mod batch;
mod store;

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{Resource, ResourceTableError};

use crate::sandbox::collect::{Collector, MAX_HANDLES};
use crate::sandbox::stop::{Refusal, Trouble};

/// A bucket that a handler has opened.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
#[derive(Clone, Debug)]
pub struct Bucket {
    name: Arc<str>,
}

/// An entry's state that a handler wants to swap from.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
#[derive(Debug)]
pub struct Cas {
    bucket: Bucket,
    key: String,
    value: Option<Bytes>,
}

impl Collector {
    fn bucket(&self, handle: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
        Ok(self.handles.get(handle)?.clone())
    }

    fn push<T: Send + 'static>(&mut self, what: T) -> Result<Resource<T>, Trouble> {
        self.handles.push(what).map_err(full)
    }
}

fn full(_: ResourceTableError) -> Trouble {
    Refusal::Handles { limit: MAX_HANDLES }.into()
}
