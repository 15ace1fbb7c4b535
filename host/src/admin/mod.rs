//! The operator's listener: health, metrics, API.
