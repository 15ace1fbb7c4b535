//! The files of `wit/`, embedded and parsed once.

use std::sync::LazyLock;

use wit_parser::{Interface, InterfaceId, Resolve};

/// The contract's package, without its version.
pub const PACKAGE: &str = "hookbox:plugin";

/// The version of the contract that this host knows.
pub const VERSION: &str = "0.1.0";

/// The packages that the contract builds on, then the contract itself, each
/// with its files' names: dependencies come first.
const SOURCES: [&[(&str, &str)]; 4] = [
    &[(
        "wit/deps/wasi-logging-0.1.0-draft/logging.wit",
        include_str!("../../../wit/deps/wasi-logging-0.1.0-draft/logging.wit"),
    )],
    &[(
        "wit/deps/wasi-config-0.2.0-rc.1/store.wit",
        include_str!("../../../wit/deps/wasi-config-0.2.0-rc.1/store.wit"),
    )],
    &[
        (
            "wit/deps/wasi-keyvalue-0.2.0-draft2/store.wit",
            include_str!("../../../wit/deps/wasi-keyvalue-0.2.0-draft2/store.wit"),
        ),
        (
            "wit/deps/wasi-keyvalue-0.2.0-draft2/atomics.wit",
            include_str!("../../../wit/deps/wasi-keyvalue-0.2.0-draft2/atomics.wit"),
        ),
        (
            "wit/deps/wasi-keyvalue-0.2.0-draft2/batch.wit",
            include_str!("../../../wit/deps/wasi-keyvalue-0.2.0-draft2/batch.wit"),
        ),
    ],
    &[
        ("wit/types.wit", include_str!("../../../wit/types.wit")),
        (
            "wit/handlers.wit",
            include_str!("../../../wit/handlers.wit"),
        ),
        ("wit/effects.wit", include_str!("../../../wit/effects.wit")),
        ("wit/worlds.wit", include_str!("../../../wit/worlds.wit")),
    ],
];

static CONTRACT: LazyLock<Resolve> = LazyLock::new(|| {
    // Fixed text of this very build: that it parses is a test, not a condition.
    parse(str::to_owned).unwrap_or_default()
});

/// The contract, parsed.
pub(super) fn contract() -> &'static Resolve {
    &CONTRACT
}

/// Parses the embedded files, each after `edit`: that is how tests make
/// contracts that differ from ours.
pub(super) fn parse(edit: impl Fn(&str) -> String) -> Result<Resolve, String> {
    let mut resolve = Resolve::default();
    for package in SOURCES {
        let mut files = wit_parser::SourceMap::new();
        for (name, text) in package {
            files.push_str(name, edit(text));
        }
        let group = files.parse().map_err(|(_, error)| error.to_string())?;
        resolve
            .push_group(group)
            .map_err(|error| error.to_string())?;
    }
    Ok(resolve)
}

/// The contract's interface with this full name, such as
/// `wasi:logging/logging@0.1.0-draft`.
pub(super) fn interface(full_name: &str) -> Option<&'static Interface> {
    let contract = contract();
    contract
        .interfaces
        .iter()
        .find(|(id, _)| contract.id_of(*id).as_deref() == Some(full_name))
        .map(|(_, interface)| interface)
}

/// The full names of the contract's interfaces, those of its dependencies too.
pub(super) fn interface_names() -> impl Iterator<Item = String> {
    let contract = contract();
    let name = |id: InterfaceId| contract.id_of(id);
    contract
        .interfaces
        .iter()
        .filter_map(move |(id, _)| name(id))
}

/// The full name of one of the contract's own interfaces.
pub(super) fn full_name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}
