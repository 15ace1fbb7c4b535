//! One adapter for each released version of the contract, behind one enum: an
//! old plugin goes on running when the contract moves on.

mod v0_1;

pub(super) use v0_1::bindings;

use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store};

use super::attempt::Attempt;
use super::load::LoadError;
use super::state::State;
use super::turns::Line;
use super::verdict::Verdict;
use crate::types::Handlers;

/// A linked component, ready to be instantiated once for each attempt.
pub struct Program {
    component: Component,
    version: Version,
    handlers: Handlers,
    needs: Needs,
    line: Line,
}

/// What of WASI a component imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// WASI 0.2 without HTTP.
    Wasi,
    /// HTTP, which builds on the rest.
    Http,
}

/// The contract that a component was built for.
enum Version {
    V0_1(v0_1::Adapter),
}

impl Program {
    /// The handlers that the component exports.
    #[must_use]
    pub fn handlers(&self) -> Handlers {
        self.handlers
    }

    /// The code that it was made of.
    ///
    /// # Errors
    /// When it can't be copied.
    pub fn code(&self) -> wasmtime::Result<Vec<u8>> {
        self.component.serialize()
    }

    /// What of WASI 0.2 the component imports.
    pub(super) fn needs(&self) -> Needs {
        self.needs
    }

    /// Where its attempts wait for their turns.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Picks the adapter by the component's exports.
    pub(super) fn new(
        component: &Component,
        instance: &InstancePre<State>,
        needs: Needs,
        line: Line,
    ) -> Result<Self, LoadError> {
        let handlers = v0_1::handlers(component);
        if !handlers.any() {
            return Err(LoadError::NoHandler);
        }
        let adapter = v0_1::Adapter::new(handlers, instance)
            .map_err(|error| LoadError::Fit(format!("{error:#}")))?;
        Ok(Self {
            component: component.clone(),
            version: Version::V0_1(adapter),
            handlers,
            needs,
            line,
        })
    }

    /// Instantiates the component and calls the attempt's handler.
    pub(super) async fn call(
        &self,
        store: &mut Store<State>,
        attempt: &Attempt,
    ) -> wasmtime::Result<Verdict> {
        match &self.version {
            Version::V0_1(adapter) => adapter.call(store, attempt).await,
        }
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("handlers", &self.handlers)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

/// A linker with what every version of the contract imports.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    v0_1::add_imports(&mut linker)?;
    Ok(linker)
}
