//! HTTP in: authenticate, parse, store, answer.
