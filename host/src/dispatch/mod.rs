//! Which plugin, in which order, when again.
