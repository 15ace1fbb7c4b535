//! The configuration: file, variables and flags, resolved into one value.
