//! Bodies as the provider sends them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder of the provider's sample bodies.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

/// A sample's body.
///
/// # Panics
/// When there is no such sample.
#[must_use]
pub fn read(name: &str) -> String {
    let path = folder().join(name);
    match std::fs::read_to_string(&path) {
        Ok(body) => body,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// A `chat.push` of a visitor. No two are equal: the time stamps differ.
#[must_use]
pub fn chat(session: &str, message: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let micros = COUNT.fetch_add(1, Ordering::Relaxed);
    let timestamp = format!(
        "{}.{:06}",
        1_790_607_268 + micros / 1_000_000,
        micros % 1_000_000
    );
    serde_json::json!({
        "agent_id": "A80HVD8577",
        "event_type": "chat.push",
        "data": {
            "role": "user",
            "message": message,
            "session_id": session,
            "timestamp": serde_json::from_str::<serde_json::Value>(&timestamp).unwrap_or_default(),
        },
        "timestamp": serde_json::from_str::<serde_json::Value>(&timestamp).unwrap_or_default(),
    })
    .to_string()
}
