//! hookbox: a WebAssembly plugin host for webhook event handlers.
//!
//! The modules are the way of an event:
//!
//! ```text
//! ingest ──▶ journal ──▶ dispatch ──▶ sandbox ──▶ the plugin's handler
//! HTTP in    on disk     which,       wasmtime,     │
//!            before the  when,        limits,       │
//!            answer      in order     grants        ▼
//!                ▲                                  journal: its outcome, state and
//!                └───────────────────────────────── requests, in one commit
//!                                                    │
//!                                       outbox ◀─────┘
//!                                       sends them through outbound
//!
//! plugins: the folder ──▶ compile (child process) ──▶ check ──▶ swap ──▶ dispatch
//! ```
//!
//! Dependencies point one way: `cli` → `service` → `ingest`, `plugins`, `admin` →
//! `dispatch`, `outbox` → `journal`, `sandbox` → `outbound` → `types`. `ingest` knows
//! nothing of wasm, `sandbox` nothing of HTTP servers, `journal` neither.

pub mod admin;
pub mod cli;
pub mod config;
pub mod confine;
pub mod contract;
mod crash;
pub mod dispatch;
pub mod ingest;
pub mod journal;
pub mod outbound;
pub mod outbox;
pub mod plugins;
mod priority;
pub mod sandbox;
pub mod service;
pub mod toolchain;
pub mod types;
