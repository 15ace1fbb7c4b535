//! The plugins folder: watch, compile, check, swap, registry.
