//! Lines for the operator's eyes: too many, too long, or made to deceive.

use super::text::{handler, wasi_handler};
use super::{Fate, Villain};

/// What the log says at its end.
const FULL: &str = "log limit of";

pub(super) fn villains() -> Vec<Villain> {
    let invalid = Fate::Fails("incomplete utf-8");
    vec![
        Villain::text("flood-of-lines", || flood(1, 20_000), Fate::Ends).saying(FULL),
        Villain::text("flood-of-long-lines", || flood(1_000_000, 100), Fate::Ends).saying(FULL),
        Villain::text("stdout-without-an-end", stdout, Fate::Ends).saying(FULL),
        Villain::text("stdout-of-line-ends", line_ends, Fate::Ends),
        Villain::text("log-of-escapes", log_of_escapes, Fate::Ends).saying(VISIBLE),
        Villain::text("context-of-escapes", context_of_escapes, Fate::Ends).saying("fine"),
        Villain::text("stdout-of-escapes", stdout_of_escapes, Fate::Ends)
            .saying("\\u{1b}[2Jok\\u{0}\u{fffd}\u{fffd}"),
        Villain::text(
            "reason-of-escapes",
            reason_of_escapes,
            Fate::Rejects(VISIBLE),
        ),
        Villain::text(
            "trap-of-escapes",
            trap_with_escapes,
            Fate::Fails("(in \\u{1b}[2J\\u{a}ERROR)"),
        ),
        Villain::text("log-of-no-text", log_of_no_text, invalid),
        Villain::text("reason-of-no-text", reason_of_no_text, invalid),
    ]
}

/// Clears the screen, ends the line, turns text around, sets the window's title, and
/// says that all is well.
const ESCAPES: &str = r#"(data (i32.const 4096)
    "\1b[2J\0d\0aERROR\e2\80\aeyllaer\00\c2\9b31m\1b]0;hi\07\e2\80\a8\e2\81\a6x")"#;
const LENGTH: &str = "(i32.const 40)";

/// What becomes of that.
const VISIBLE: &str = "\\u{1b}[2J\\u{d}\\u{a}ERROR\\u{202e}yllaer\\u{0}\\u{9b}31m\\u{1b}]0;hi\\u{7}\
    \\u{2028}\\u{2066}x";

/// So many lines of that length.
fn flood(length: u32, lines: u32) -> Vec<u8> {
    let body = format!(
        "(local $left i32)
        (drop (memory.grow (i32.const 20)))
        (memory.fill (i32.const 65536) (i32.const 120) (i32.const {length}))
        (local.set $left (i32.const {lines}))
        (loop $again
          (call $say (i32.const 65536) (i32.const {length}))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 16)"
    );
    handler("", &body)
}

/// Writes a page of this byte so many times.
fn writes(byte: u8, times: u32) -> Vec<u8> {
    let body = format!(
        "(local $left i32) (local $out i32)
        (memory.fill (i32.const 65536) (i32.const {byte}) (i32.const 65536))
        (local.set $out (call $stdout))
        (local.set $left (i32.const {times}))
        (loop $again
          (call $write (local.get $out) (i32.const 65536) (i32.const 65536) (i32.const 2048))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 16)"
    );
    wasi_handler("", &body)
}

/// 2 MiB in one line.
fn stdout() -> Vec<u8> {
    writes(b'x', 32)
}

/// Hundreds of thousands of empty lines.
fn line_ends() -> Vec<u8> {
    writes(b'\n', 10)
}

fn log_of_escapes() -> Vec<u8> {
    let body = format!("(call $say (i32.const 4096) {LENGTH}) (i32.const 16)");
    handler(ESCAPES, &body)
}

fn context_of_escapes() -> Vec<u8> {
    let items = format!(r#"{ESCAPES} (data (i32.const 4200) "fine")"#);
    let body = format!(
        "(call $log (i32.const 2) (i32.const 4096) {LENGTH} (i32.const 4200) (i32.const 4))
        (i32.const 16)"
    );
    handler(&items, &body)
}

/// And two bytes that are no text, which is no trap here: stdout takes bytes.
fn stdout_of_escapes() -> Vec<u8> {
    let items = r#"(data (i32.const 4096) "\1b[2Jok\00\ff\fe\0d\0a")"#;
    let body = "(call $write (call $stdout) (i32.const 4096) (i32.const 11) (i32.const 2048))
        (i32.const 16)";
    wasi_handler(items, body)
}

fn reason_of_escapes() -> Vec<u8> {
    handler(
        ESCAPES,
        &format!("(call $reject (i32.const 4096) {LENGTH})"),
    )
}

const NO_TEXT: &str = r#"(data (i32.const 4096) "ok \e2\80")"#;

/// The name of a function, which the outcome shows.
fn trap_with_escapes() -> Vec<u8> {
    let items = r#"(func $bad (@name "\1b[2J\0aERROR") unreachable)"#;
    handler(items, "(call $bad) (i32.const 16)")
}

fn log_of_no_text() -> Vec<u8> {
    handler(
        NO_TEXT,
        "(call $say (i32.const 4096) (i32.const 5)) (i32.const 16)",
    )
}

fn reason_of_no_text() -> Vec<u8> {
    handler(NO_TEXT, "(call $reject (i32.const 4096) (i32.const 5))")
}
