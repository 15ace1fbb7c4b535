//! What is done to the host in every second window.

use hookbox_testkit::hostile::{Villain, villains};
use hookbox_testkit::{Host, wait_for};

use crate::folder::{self, Doing, Kind};
use crate::villain::{Fixtures, manifest};

/// Default limits, but for the time in all: what waits ends soon after its window.
const LIMITS: &str = "wall = \"2s\"";

/// A kind of harm.
pub(crate) enum Harm {
    /// A plugin of the catalogue, and its component.
    Plugin(Box<Villain>, Vec<u8>),
    /// Something that happens in the folder.
    Folder(Kind),
}

/// What lasts until [`Harm::end`].
pub(crate) struct Lasting {
    _doing: Option<Doing>,
}

/// All whose name contains `only`.
pub(crate) fn all(only: Option<&str>) -> Vec<Harm> {
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let mut fixtures = Fixtures::default();
    let plugins = villains().into_iter();
    let plugins = plugins
        .filter(|villain| wanted(villain.name))
        .map(|villain| {
            let component = villain.component(|name| fixtures.get(name));
            Harm::Plugin(Box::new(villain), component)
        });
    let mut all: Vec<Harm> = plugins.collect();
    let folders = folder::kinds().into_iter();
    all.extend(folders.filter(|kind| wanted(kind.name)).map(Harm::Folder));
    all
}

impl Harm {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Plugin(villain, _) => villain.name,
            Self::Folder(kind) => kind.name,
        }
    }

    /// Has it ready, without doing anything yet.
    pub(crate) fn prepare(&self, host: &Host) {
        if let Self::Plugin(villain, component) = self {
            host.manifest(villain.name, &manifest(villain, LIMITS, true));
            // Compiled now, so that later it comes from the cache.
            host.install(villain.name, component);
            self.end(host, Lasting { _doing: None });
        }
    }

    /// Begins; it is in full swing when this returns.
    pub(crate) fn begin(&self, host: &Host) -> Lasting {
        match self {
            Self::Plugin(villain, _) => {
                host.manifest(villain.name, &manifest(villain, LIMITS, true));
                wait_for("the villain to run", || host.version(villain.name));
                Lasting { _doing: None }
            }
            Self::Folder(kind) => Lasting {
                _doing: Some(Doing::start(kind, host.plugins())),
            },
        }
    }

    /// Ends it, and waits until the host knows.
    pub(crate) fn end(&self, host: &Host, lasting: Lasting) {
        drop(lasting);
        match self {
            Self::Plugin(villain, _) => {
                host.manifest(villain.name, &manifest(villain, LIMITS, false));
                wait_for("the villain to be disabled", || {
                    let plugin = host.plugin(villain.name)?;
                    (plugin["disabled"] == true).then_some(())
                });
            }
            Self::Folder(_) => wait_for("the plugins to be gone", || {
                let plugins = host.api("/api/plugins");
                (plugins["plugins"].as_array()?.len() == 1).then_some(())
            }),
        }
    }
}
