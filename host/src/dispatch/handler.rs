//! What makes an attempt: the sandbox, or in tests something simpler.

use async_trait::async_trait;

use crate::sandbox::{Attempt, Program, Report, Sandbox};

/// Runs a plugin's handler.
#[async_trait]
pub(super) trait Handler: Send + Sync + 'static {
    /// Makes one attempt. Dropping the future ends it.
    async fn handle(&self, program: &Program, attempt: Attempt) -> Report;
}

#[async_trait]
impl Handler for Sandbox {
    async fn handle(&self, program: &Program, attempt: Attempt) -> Report {
        self.run(program, attempt).await
    }
}
