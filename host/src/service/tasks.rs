//! What runs for as long as the host, and what happens when it doesn't.

use futures_util::future::select_all;
use tokio::task::JoinHandle;

/// A task that is to run for as long as the host.
pub(super) struct Task {
    name: &'static str,
    pub(super) handle: JoinHandle<()>,
}

pub(super) fn task(name: &'static str, run: impl Future<Output = ()> + Send + 'static) -> Task {
    Task {
        name,
        handle: tokio::spawn(run),
    }
}

impl Task {
    /// Its handle, unless it has ended: one whose result was taken must not be
    /// asked again.
    pub(super) fn running(self) -> Option<JoinHandle<()>> {
        (!self.handle.is_finished()).then_some(self.handle)
    }
}

/// Waits for the first of the tasks that ends, and says which and how.
pub(super) async fn first_end(tasks: impl Iterator<Item = &mut Task>) -> String {
    let ends = tasks.map(|Task { name, handle }| {
        Box::pin(async move {
            match handle.await {
                Err(error) if error.is_panic() => format!("{name} has panicked"),
                Ok(()) | Err(_) => format!("{name} has ended unexpectedly"),
            }
        })
    });
    select_all(ends).await.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_named() {
        let mut tasks = [
            task("the door", std::future::pending()),
            task("the window", async { panic!("broken") }),
        ];
        assert_eq!(first_end(tasks.iter_mut()).await, "the window has panicked");
        let mut tasks = [task("the roof", async {})];
        assert_eq!(
            first_end(tasks.iter_mut()).await,
            "the roof has ended unexpectedly"
        );
    }
}
