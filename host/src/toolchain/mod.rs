//! Finds or sets up the compiler that makes wasm out of Rust sources.
