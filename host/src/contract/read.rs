//! The first look at bytes that claim to be a plugin, and what is wrong with
//! those that aren't.

use std::panic::{UnwindSafe, catch_unwind};

use wasmparser::types::Types;
use wasmparser::{Validator, WasmFeatures};

/// The largest file that is looked at, here and in the plugins folder. Python's
/// components, the largest of the supported languages, have 18 MB.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Why bytes can't be read as a plugin. Each message says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No bytes at all.
    #[error("the file is empty: build the plugin again, or wait until it is copied")]
    Empty,
    /// More than [`MAX_BYTES`].
    #[error(
        "the file has {0} bytes, and a plugin has at most {MAX_BYTES}: strip its debug information"
    )]
    TooLarge(usize),
    /// WebAssembly as text.
    #[error(
        "this is WebAssembly text, not a binary: turn it into one with `wasm-tools parse FILE -o FILE.wasm`"
    )]
    Text,
    /// A `.cwasm`, or another native program.
    #[error(
        "this is native code (an ELF file, perhaps a precompiled `.cwasm`), and the host compiles \
         plugins itself: give it the `.wasm` file that this was made from"
    )]
    Native,
    /// Something else.
    #[error(
        "this isn't WebAssembly: a .wasm file starts with the bytes 00 61 73 6d, this one with {0}"
    )]
    NotWasm(String),
    /// Neither a core module of version 1 nor a component of today's format.
    #[error(
        "this is WebAssembly in a binary format that the host doesn't know (header {0}): \
         build it with current tools"
    )]
    UnknownFormat(String),
    /// The end is missing.
    #[error(
        "the file ends too early, after {0} bytes: it was cut off, or is still being written; copy it again"
    )]
    Truncated(usize),
    /// It uses asynchronous component functions.
    #[error(
        "this component uses the asynchronous component ABI of WASI 0.3, which this host doesn't run: \
         build it for WASI 0.2 (with componentize-qjs: add `--sync`)"
    )]
    AsyncAbi,
    /// Not valid.
    #[error("the file isn't valid WebAssembly: {0}; build it again with current tools")]
    Invalid(String),
    /// A core module without a description of its interface.
    #[error(
        "this is a core module without a `component-type` section, so nothing says which handlers it has \
         (it exports {exports}): build it from wit/ with wit-bindgen, or with `hookbox build`, or turn it \
         into a component with `wasm-tools component embed wit --world plugin` and `wasm-tools component new`"
    )]
    NoComponentType {
        /// What the module exports, as text.
        exports: String,
    },
    /// A core module that can't become a component.
    #[error("this core module can't be turned into a component: {0}")]
    Encode(String),
    /// An encoded WIT package: an interface without code.
    #[error(
        "this is a WIT package (an interface without code), not a plugin: \
         build the component that implements it"
    )]
    WitPackage,
    /// A component whose interface WIT can't express.
    #[error("the component's interface can't be read: {0}")]
    Decode(String),
    /// An interface of absurd size.
    #[error("the component has {0} imports and exports, and the host looks at {1} at most")]
    TooManyItems(usize, usize),
}

/// The two kinds of WebAssembly binaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What compilers write.
    Core,
    /// What the host runs.
    Component,
}

/// Tells what `bytes` are, by their header.
pub(super) fn kind(bytes: &[u8]) -> Result<Kind, ReadError> {
    const MAGIC: &[u8] = b"\0asm";
    if bytes.is_empty() {
        return Err(ReadError::Empty);
    }
    if bytes.len() > MAX_BYTES {
        return Err(ReadError::TooLarge(bytes.len()));
    }
    if bytes.starts_with(b"\x7fELF") {
        return Err(ReadError::Native);
    }
    if looks_like_text(bytes) {
        return Err(ReadError::Text);
    }
    if !bytes.starts_with(&MAGIC[..bytes.len().min(4)]) {
        return Err(ReadError::NotWasm(hex(bytes)));
    }
    let Some(&[low, high, layer, zero]) = bytes.get(4..8) else {
        return Err(ReadError::Truncated(bytes.len()));
    };
    // Byte 6 is the layer: 0 for a core module, 1 for a component.
    match (low, high, layer, zero) {
        (1, 0, 0, 0) => Ok(Kind::Core),
        (13, 0, 1, 0) => Ok(Kind::Component),
        _ => Err(ReadError::UnknownFormat(hex(&bytes[4..]))),
    }
}

/// Checks `bytes` by the rules of the WebAssembly that this host runs, and gives
/// the types that were found on the way.
pub(super) fn validate(bytes: &[u8]) -> Result<Types, ReadError> {
    let without_async = WasmFeatures::default().difference(WasmFeatures::CM_ASYNC);
    match contained(|| validate_with(bytes, without_async)) {
        Some(Ok(types)) => Ok(types),
        Some(Err(error)) => {
            let needs_async = || {
                contained(|| validate_with(bytes, WasmFeatures::default()).is_ok()).unwrap_or(false)
            };
            if needs_async() {
                Err(ReadError::AsyncAbi)
            } else {
                Err(error)
            }
        }
        None => Err(ReadError::Invalid("it confuses the validator".into())),
    }
}

fn validate_with(bytes: &[u8], features: WasmFeatures) -> Result<Types, ReadError> {
    match Validator::new_with_features(features).validate_all(bytes) {
        Ok(types) => Ok(types),
        Err(_) if cut_off(bytes) => Err(ReadError::Truncated(bytes.len())),
        Err(error) => Err(ReadError::Invalid(format!(
            "{} at byte {}",
            super::render::printable(error.message()),
            error.offset()
        ))),
    }
}

/// Whether a section claims more bytes than there are: a file's sections follow
/// each other, each as an id, its length (LEB128) and its content.
fn cut_off(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((_, after_id)) = rest.split_first() {
        let mut length = 0_u64;
        let mut digits = 0;
        loop {
            let Some(byte) = after_id.get(digits) else {
                return true;
            };
            length |= u64::from(byte & 0x7f) << (7 * digits);
            digits += 1;
            if byte & 0x80 == 0 {
                break;
            }
            if digits == 5 {
                return false; // longer than a length can be: another fault
            }
        }
        let content = &after_id[digits..];
        match usize::try_from(length).ok().and_then(|n| content.get(n..)) {
            Some(next) => rest = next,
            None => return true,
        }
    }
    false
}

/// Runs a decoder that is not ours on bytes from outside, and answers `None` if
/// it panics: a plugin's file must never take the host down with it.
pub(super) fn contained<T>(decode: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    catch_unwind(decode).ok()
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    [b"(module".as_slice(), b"(component", b";;", b"(;"]
        .iter()
        .any(|opening| start.starts_with(opening))
}

fn hex(bytes: &[u8]) -> String {
    let shown: Vec<_> = bytes
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    shown.join(" ")
}
