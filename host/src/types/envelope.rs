//! Reads the provider's envelopes.
