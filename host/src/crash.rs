//! Named points at which a test has the process die, as if killed there.
//!
//! `HOOKBOX_CRASH_AT=append-after:17` kills the process (SIGKILL, to itself) when
//! it passes that point for the 17th time. In a release build all of it is
//! nothing.

/// Dies here if the environment says so.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn point(_: &'static str) {}

/// The variable for a child, whose environment is empty otherwise, if it names a
/// point there.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn for_child() -> Option<(&'static str, String)> {
    None
}

#[cfg(debug_assertions)]
pub(crate) use armed::{for_child, point};

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    /// Names a point and the pass at which to die.
    const VARIABLE: &str = "HOOKBOX_CRASH_AT";

    /// Where to die.
    struct Armed {
        name: String,
        /// Passes left, the last one included.
        left: AtomicU64,
    }

    fn armed() -> Option<&'static Armed> {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        let read = || parse(&std::env::var(VARIABLE).ok()?);
        ARMED.get_or_init(read).as_ref()
    }

    fn parse(text: &str) -> Option<Armed> {
        let (name, count) = text.split_once(':')?;
        Some(Armed {
            name: name.to_owned(),
            left: AtomicU64::new(count.parse().ok()?),
        })
    }

    /// Whether this pass is the one.
    fn is_due(armed: &Armed, name: &str) -> bool {
        armed.name == name && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// The variable for a child, whose environment is empty otherwise, if it
    /// names a point there.
    pub(crate) fn for_child() -> Option<(&'static str, String)> {
        let value = std::env::var(VARIABLE).ok()?;
        value.starts_with("compile-").then_some((VARIABLE, value))
    }

    /// Dies here if the environment says so.
    pub(crate) fn point(name: &'static str) {
        let Some(armed) = armed() else { return };
        if is_due(armed, name) {
            // Nothing runs after it, destructors and buffers included.
            let _ = kill_process(getpid(), Signal::KILL);
            // A confined child can't even do that, but abort.
            std::process::abort();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::{is_due, parse};

        #[test]
        fn the_named_pass_of_the_named_point_is_due_and_no_other() {
            let armed = parse("append-after:3").expect("a point");
            let due: Vec<bool> = ["append-after", "clean", "append-after", "append-after"]
                .iter()
                .chain(&["append-after"; 3])
                .map(|name| is_due(&armed, name))
                .collect();
            assert_eq!(due, [false, false, false, true, false, false, false]);
            assert!(parse("append-after").is_none());
        }
    }
}
