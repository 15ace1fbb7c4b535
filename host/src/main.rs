//! The `hookbox` binary: a thin shell around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hookbox::cli::main()
}
