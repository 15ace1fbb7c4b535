//! Which plugin of the catalogue stands for a whole kind of harm.
//!
//! The catalogue has many that differ in what the sandbox has to do about them, and
//! hardly in what they cost the host. Measured is what costs it most, for each file of
//! the catalogue; more than one where a file has harm of different natures.

/// A plugin, and what it stands for.
const KINDS: [(&str, &str); 25] = [
    ("loop-in-handler", "time: instructions without end"),
    ("loop-of-memory-fill", "time: one instruction over 64 MiB"),
    ("loop-of-reads", "time: calls that the host waits for"),
    ("loop-of-filtered-logs", "time: calls that do nothing"),
    ("sleep-for-ever", "waiting: holds what it has"),
    ("poll-one-thousands-of-times", "waiting: for very much"),
    (
        "recursion-in-large-frames",
        "recursion: uses the whole stack",
    ),
    ("allocate-for-ever", "memory: writes to all it may have"),
    ("memories", "memory: several at once"),
    ("table-growth", "memory: tables"),
    ("flood-of-fields", "handles"),
    ("log-of-128-mib", "strings: far too long, to the host"),
    ("millions-of-headers", "strings: far too many, to the host"),
    ("read-too-much-at-once", "strings: too much from the host"),
    ("random-for-ever", "strings: random bytes"),
    ("space-that-grows", "realloc"),
    ("flood-of-lines", "lines: a full log at every event"),
    ("stdout-of-escapes", "lines: that have to be made printable"),
    ("delay-of-nothing", "answers"),
    ("trap", "traps: as soon as it begins"),
    ("panic-at-length", "traps: with much to say"),
    ("writes-past-their-limit", "storage: large values"),
    ("conflict-storm", "storage: all write the same keys"),
    ("counters-past-their-limit", "storage: counters"),
    ("requests-past-their-limit", "requests"),
];

/// What that one stands for, if it does.
pub(crate) fn stands_for(name: &str) -> Option<&'static str> {
    let found = KINDS.iter().find(|(villain, _)| *villain == name);
    found.map(|(_, kind)| *kind)
}

/// Those who are measured; each has to be in the catalogue.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}
