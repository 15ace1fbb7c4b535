//! The text of `hookbox.toml`: the operator's own, but it must never be a panic.
//!
//! Held true: laid over nothing it stays what it is; an error names the file.
#![no_main]

use std::path::Path;

use hookbox::config::{RawConfig, toml_file};
use hookbox_fuzz::{examples, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: write_seeds(|| examples("toml")),
    |text: &str| {
        match toml_file::parse::<RawConfig>(text, Path::new("hookbox.toml")) {
            Ok(read) => assert_eq!(read.clone().over(RawConfig::default()), read),
            Err(diagnosis) => assert!(diagnosis.to_string().starts_with("hookbox.toml")),
        }
    }
);
