//! Starts the real binary and drives it from outside.
