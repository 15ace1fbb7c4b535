//! Write hookbox plugins in Rust.
