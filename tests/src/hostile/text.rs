//! What the villains' texts are made of: the host's functions by short names, and
//! answers.
//!
//! Addresses: 16 holds the answer, 1024 a few constants, 2048 what the host returns;
//! from 65536 on there is space for the host.

use crate::wat::{Parts, World};

/// A handler for `chat.push` with this body, among these other parts.
pub(super) fn handler(items: &str, body: &str) -> Vec<u8> {
    Parts {
        imports: CONTRACT,
        items: &with_answers(items),
        ..Parts::new(World::ChatPush)
    }
    .component(body)
}

/// The same with WASI.
pub(super) fn wasi_handler(items: &str, body: &str) -> Vec<u8> {
    Parts {
        imports: &format!("{CONTRACT}{WASI}"),
        items: &with_answers(items),
        ..Parts::new(World::ChatPushWithWasi)
    }
    .component(body)
}

/// The same with `wasi:http` as well.
pub(super) fn http_handler(items: &str, body: &str) -> Vec<u8> {
    Parts {
        imports: &format!("{CONTRACT}{WASI}{HTTP}"),
        items: &with_answers(items),
        ..Parts::new(World::ChatPushWithWasi)
    }
    .component(body)
}

/// These parts, and the functions that give an answer.
pub(super) fn with_answers(items: &str) -> String {
    format!("{ANSWERS}{items}")
}

/// The contract's functions.
pub(super) const CONTRACT: &str = r#"
  (import "wasi:config/store@0.2.0-rc.1" "get" (func $config (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "open" (func $open (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.get"
    (func $get (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.set"
    (func $set (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.list-keys"
    (func $list (param i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[resource-drop]bucket"
    (func $drop_bucket (param i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft2" "increment"
    (func $increment (param i32 i32 i32 i64 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft2" "[static]cas.new"
    (func $cas (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft2" "swap" (func $swap (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/batch@0.2.0-draft2" "get-many"
    (func $get_many (param i32 i32 i32 i32)))
  (import "hookbox:plugin/counters@0.1.0" "add" (func $add (param i32 i32 i64)))
  (import "hookbox:plugin/outbox@0.1.0" "send"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
"#;

/// The part of WASI that is in `wasi.wit`.
pub(super) const WASI: &str = r#"
  (import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read"
    (func $read (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.write"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.write-zeroes"
    (func $write_zeroes (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.subscribe"
    (func $subscribe (param i32) (result i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream"
    (func $drop_output (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
    (func $timer (param i64) (result i32)))
  (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
  (import "wasi:random/insecure@0.2.0" "get-insecure-random-bytes"
    (func $insecure (param i64 i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (import "wasi:sockets/udp-create-socket@0.2.0" "create-udp-socket"
    (func $socket (param i32 i32)))
"#;

/// Headers.
const HTTP: &str = r#"
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[method]fields.append"
    (func $append (param i32 i32 i32 i32 i32 i32)))
"#;

/// `$reject` and `$again` give the text at an address as the reason of a handler that
/// gives up, or that asks for another attempt; `$refused` gives up with the text of
/// the error that a function returned at 2048, and `$ok` does if there is none.
/// `$bucket` opens one.
const ANSWERS: &str = r#"
  (data (i32.const 1024) "b")
  (data (i32.const 1032) "nothing was refused")
  (func $reject (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 24) (i32.const 1))
    (call $again (local.get $at) (local.get $length)))
  (func $again (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 16) (i32.const 1))
    (i32.store (i32.const 32) (local.get $at))
    (i32.store (i32.const 36) (local.get $length))
    (i32.const 16))
  (func $is_refused (result i32) (i32.load8_u (i32.const 2048)))
  (func $refused (result i32)
    (if (result i32) (call $is_refused)
      (then (call $reject (i32.load (i32.const 2056)) (i32.load (i32.const 2060))))
      (else (call $reject (i32.const 1032) (i32.const 19)))))
  (func $bucket (result i32)
    (call $open (i32.const 1024) (i32.const 1) (i32.const 2048))
    (i32.load (i32.const 2052)))
  (func $say (param $at i32) (param $length i32)
    (call $log (i32.const 2) (i32.const 0) (i32.const 0) (local.get $at) (local.get $length)))
"#;
