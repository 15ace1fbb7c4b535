//! HTTP in: authenticate, parse, store, answer.
pub mod auth;
