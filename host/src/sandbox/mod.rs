//! Runs handlers in wasmtime: engine, limits, one file for each host interface.
