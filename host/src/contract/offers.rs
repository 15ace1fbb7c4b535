//! What a component may import: the table of what the host offers.

use super::problem::{What, nearest};
use super::wit::{PACKAGE, interface_names};

/// The interfaces of WASI 0.2 that language runtimes bring along. Their patch
/// versions are compatible with each other, so `0.2.x` stands for all of them.
const WASI_0_2: [(&str, &[&str]); 7] = [
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["preopens", "types"]),
    ("wasi:http", &["outgoing-handler", "types"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["insecure", "insecure-seed", "random"]),
    (
        "wasi:sockets",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// What the host says to an import of this name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// An interface that stands in `wit/`: to be compared with it.
    Contract,
    /// An interface of WASI 0.2.
    Wasi,
    /// Nothing that the host could answer, and why.
    Refused(What),
}

/// Looks up an import by its full name, such as `wasi:io/streams@0.2.6`.
pub(super) fn offer(full_name: &str) -> Offer {
    if interface_names().any(|known| known == full_name) {
        return match handler_of(full_name) {
            true => Offer::Refused(What::HandlerImported),
            false => Offer::Contract,
        };
    }
    let Some(name) = Name::parse(full_name) else {
        return not_offered("import interfaces of packages, as wit/worlds.wit lists them");
    };
    let same_interface = |known: &String| {
        Name::parse(known)
            .is_some_and(|k| (k.package, k.interface) == (name.package, name.interface))
    };
    if let Some(known) = interface_names().find(same_interface) {
        let version = |text: &str| text.split_once('@').map_or("none", |(_, v)| v).to_owned();
        return Offer::Refused(What::Version {
            found: version(full_name),
            known: version(&known),
        });
    }
    if let Some((_, interfaces)) = WASI_0_2
        .iter()
        .find(|(package, _)| *package == name.package)
    {
        return wasi(&name, interfaces);
    }
    match name.package {
        PACKAGE => Offer::Refused(What::UnknownInterface {
            nearest: nearest_interface(name.interface),
        }),
        "wasi:keyvalue" => not_offered(
            "of wasi:keyvalue@0.2.0-draft2 the host offers store, atomics and batch: use these",
        ),
        _ => not_offered(
            "use what the host offers instead: wasi:logging/logging@0.1.0-draft, \
             wasi:config/store@0.2.0-rc.1, wasi:keyvalue (store, atomics, batch) @0.2.0-draft2, \
             counters and outbox of hookbox:plugin@0.1.0, and of WASI 0.2 cli, clocks, filesystem, http (outgoing-handler), io, random, sockets",
        ),
    }
}

/// The interface of the contract that `name` was probably meant to be.
pub(super) fn nearest_interface(name: &str) -> Option<String> {
    let names: Vec<_> = interface_names().collect();
    let own = names.iter().filter_map(|known| {
        Name::parse(known)
            .filter(|known| known.package == PACKAGE)
            .map(|known| known.interface)
    });
    nearest(name, own)
}

fn wasi(name: &Name<'_>, interfaces: &[&str]) -> Offer {
    let version = name.version.unwrap_or("none");
    let is_0_2 = version
        .strip_prefix("0.2.")
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()));
    if !is_0_2 {
        return Offer::Refused(What::Version {
            found: version.into(),
            known: "0.2".into(),
        });
    }
    if interfaces.contains(&name.interface) {
        Offer::Wasi
    } else if (name.package, name.interface) == ("wasi:http", "incoming-handler") {
        not_offered("events come in as webhooks: export a handler of hookbox:plugin@0.1.0 instead")
    } else {
        not_offered("this isn't a stable interface of WASI 0.2: build without it")
    }
}

fn not_offered(advice: &str) -> Offer {
    Offer::Refused(What::NotOffered {
        advice: advice.into(),
    })
}

fn handler_of(full_name: &str) -> bool {
    Name::parse(full_name)
        .is_some_and(|name| name.package == PACKAGE && name.interface.starts_with("on-"))
}

/// A full name in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// `wasi:io`
    pub(super) package: &'a str,
    /// `streams`
    pub(super) interface: &'a str,
    /// `0.2.6`
    pub(super) version: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// Takes `namespace:package/interface@version` apart; `None` for a plain name.
    pub(super) fn parse(full_name: &'a str) -> Option<Self> {
        let (package, rest) = full_name.split_once('/')?;
        let (interface, version) = match rest.split_once('@') {
            Some((interface, version)) => (interface, Some(version)),
            None => (rest, None),
        };
        Some(Self {
            package,
            interface,
            version,
        })
    }
}
