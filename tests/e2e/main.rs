//! The real binary from outside: real plugins, real requests.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod breaker;
mod compile;
mod confined;
mod crash;
mod duplicates;
mod effects;
mod endpoints;
mod errors;
mod handlers;
mod hostile;
mod hot_load;
#[path = "../languages/setup/mod.rs"]
mod languages;
mod lifecycle;
mod manual;
mod order;
mod rollback;
mod secrets;
mod storage;
mod support;
