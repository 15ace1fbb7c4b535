//! The plugin in C: bindings from wit-bindgen, compiled by clang with the libc
//! that ziglang brings along.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::process::run;
use super::{SetupError, at, folder, lock, once, python, root};

const WORLD: &str = "chat-push-handler";
const ZIGLANG: &str = "0.17.1";

/// Builds `sdk/c/handoff.c`. The result is a core module, as clang writes it:
/// the host turns it into a component.
pub(crate) fn c_plugin() -> Result<PathBuf, SetupError> {
    let _lock = lock("c")?;
    let source = root()?.join("sdk/c/handoff.c");
    let wit = root()?.join("wit");
    let generator = root()?.join("tests/languages/c-bindings");
    let work = folder()?.join("c");
    let plugin = work.join("handoff.wasm");
    let inputs = [
        source.clone(),
        wit.clone(),
        generator.join("Cargo.lock"),
        generator.join("src"),
    ];
    once(&plugin, &inputs, ZIGLANG, || {
        at(&work, fs::create_dir_all(&work))?;
        run(
            "generating C bindings (building the generator takes half a minute the first time)",
            Command::new(env!("CARGO"))
                .args(["run", "--quiet", "--locked", "--manifest-path"])
                .arg(generator.join("Cargo.toml"))
                .arg("--target-dir")
                .arg(folder()?.join("c-bindings"))
                .arg("--")
                .args([&wit, &PathBuf::from(WORLD), &work]),
        )?;
        let stem = WORLD.replace('-', "_");
        let fresh = work.join("handoff.new");
        run(
            "compiling the plugin in C (compiling its libc takes half a minute the first time)",
            Command::new(python::package("ziglang", ZIGLANG)?.join("python"))
                .current_dir(&work)
                .env("ZIG_GLOBAL_CACHE_DIR", folder()?.join("zig"))
                .env("ZIG_LOCAL_CACHE_DIR", work.join("zig"))
                .args(["-m", "ziglang", "cc", "--target=wasm32-wasi"])
                .args(["-mexec-model=reactor", "-Os", "-s"])
                .args(["-Wall", "-Wextra", "-Werror", "-I.", "-o"])
                .arg(&fresh)
                .arg(&source)
                .arg(format!("{stem}.c"))
                .arg(format!("{stem}_component_type.o")),
        )?;
        at(&plugin, fs::rename(&fresh, &plugin))
    })?;
    Ok(plugin)
}
