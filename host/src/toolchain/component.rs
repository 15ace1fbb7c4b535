//! Core module in, component out.

use std::fs;
use std::io::Write;
use std::path::Path;

use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

use super::Error;

/// Every handler interface of every version starts like this.
const HANDLERS: &str = "hookbox:plugin/on-";

/// A component and what it has to do with the world outside.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) bytes: Vec<u8>,
    pub(super) exports: Vec<String>,
    pub(super) imports: Vec<String>,
}

/// Makes a validated component of the core module that was read from `file`.
pub(super) fn from_core(file: &Path, core: &[u8]) -> Result<Component, Error> {
    encode(core)
        .map_err(|detail| Error::Component {
            file: file.to_owned(),
            detail,
        })
        .and_then(|component| {
            if component
                .exports
                .iter()
                .any(|name| name.starts_with(HANDLERS))
            {
                return Ok(component);
            }
            Err(Error::NoHandler {
                file: file.to_owned(),
                exports: component.exports,
            })
        })
}

fn encode(core: &[u8]) -> Result<Component, String> {
    let whole_chain = |error| format!("{error:#}");
    let bytes = ComponentEncoder::default()
        .validate(true)
        .module(core)
        .map_err(whole_chain)?
        .encode()
        .map_err(whole_chain)?;
    let decoded = wit_component::decode(&bytes).map_err(whole_chain)?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err("the encoder made a WIT package of it".to_owned());
    };
    let world = &resolve.worlds[world];
    let exports = world
        .exports
        .keys()
        .map(|key| resolve.name_world_key(key))
        .collect();
    let asks = |item: &WorldItem| match item {
        // Types come along without asking the host for anything.
        WorldItem::Interface { id, .. } => !resolve.interfaces[*id].functions.is_empty(),
        WorldItem::Function(_) => true,
        WorldItem::Type { .. } => false,
    };
    let imports = world
        .imports
        .iter()
        .filter(|(_, item)| asks(item))
        .map(|(key, _)| resolve.name_world_key(key))
        .collect();
    Ok(Component {
        bytes,
        exports,
        imports,
    })
}

/// Reads a file that cargo made.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(|source| Error::Io {
        doing: "reading",
        path: file.to_owned(),
        source,
    })
}

/// Writes a file at once: a host that watches the folder sees the old or the
/// new one, whole. The scratch file's name starts with a dot and doesn't end in
/// `.wasm`, so no host takes it for a plugin.
pub(super) fn write(file: &Path, bytes: &[u8]) -> Result<(), Error> {
    let io = |source| Error::Io {
        doing: "writing",
        path: file.to_owned(),
        source,
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io)?;
    let mut scratch = tempfile::Builder::new()
        .prefix(".hookbox-")
        .suffix(".tmp")
        .tempfile_in(folder)
        .map_err(io)?;
    scratch.write_all(bytes).map_err(io)?;
    readable(scratch.as_file()).map_err(io)?;
    scratch.persist(file).map_err(|error| io(error.error))?;
    Ok(())
}

/// Scratch files are private; a plugin is for whatever account the host runs as.
#[cfg(unix)]
fn readable(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Error, from_core, write};

    #[test]
    fn a_module_without_handlers_says_how_to_name_them() {
        let core = wat::parse_str(r#"(module (func (export "f")))"#).expect("a module");
        let error = from_core(Path::new("x.wasm"), &core).expect_err("no handler");
        assert!(matches!(error, Error::NoHandler { .. }), "{error}");
        assert!(error.to_string().contains("export!"), "{error}");
    }

    #[test]
    fn garbage_is_an_error_that_names_the_file() {
        let error = from_core(Path::new("x.wasm"), b"garbage").expect_err("not wasm");
        assert!(error.to_string().contains("x.wasm"), "{error}");
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("sub/a.wasm");
        write(&file, b"old").expect("written");
        write(&file, b"new").expect("written again");
        assert_eq!(fs::read(&file).expect("there"), b"new");
        let parent = file.parent().expect("a folder");
        assert_eq!(fs::read_dir(parent).expect("a folder").count(), 1);
    }
}
