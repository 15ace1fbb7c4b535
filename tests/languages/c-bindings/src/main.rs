//! Writes the C bindings of a world, as `wit-bindgen c` does.
//!
//! The command line tool takes three times as long to build, and every fresh
//! machine that runs the tests has to wait for it.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use wit_bindgen_core::{Files, wit_parser::Resolve};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [wit, world, out] = arguments.as_slice() else {
        bail!("usage: c-bindings WIT-FOLDER WORLD OUT-FOLDER");
    };
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(wit)
        .with_context(|| format!("can't parse {wit}"))?;
    let world = resolve.select_world(&[package], Some(world))?;

    let mut files = Files::default();
    let mut generator = wit_bindgen_c::Opts::default().build();
    generator.generate(&mut resolve, world, &mut files)?;
    for (name, content) in files.iter() {
        let path = PathBuf::from(out).join(name);
        std::fs::write(&path, content)
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}
