//! The contract in `wit/` as data: what a component offers, and what does not fit.
