//! What is done to the host in every second window.

use hookbox_testkit::hostile::{Villain, villains};
use hookbox_testkit::{Host, wait_for};

use crate::folder::{self, Doing, Kind};
use crate::kinds;
use crate::options::Options;
use crate::villain::{Fixtures, manifest};

/// Default limits, but for the time in all: what waits ends soon after its window.
const LIMITS: &str = "wall = \"1s\"";

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

/// Those that the command line asks for.
pub(crate) fn chosen(options: &Options) -> Result<Vec<Harm>, String> {
    let wanted = |name: &str| match &options.only {
        Some(only) => name.contains(only.as_str()),
        None => options.all || kinds::stands_for(name).is_some(),
    };
    let catalogue = villains();
    let known = |name: &str| catalogue.iter().any(|villain| villain.name == name);
    if let Some(unknown) = kinds::names().find(|name| !known(name)) {
        return Err(format!(
            "{unknown} stands for a kind and isn't in the catalogue"
        ));
    }
    let mut fixtures = Fixtures::default();
    let plugins = catalogue.into_iter();
    let plugins = plugins
        .filter(|villain| wanted(villain.name))
        .map(|villain| {
            let component = villain.component(|name| fixtures.get(name));
            Harm::Plugin(Box::new(villain), component)
        });
    let mut all: Vec<Harm> = plugins.collect();
    let folders = folder::kinds().into_iter();
    let every = |name: &str| options.only.is_none() || wanted(name);
    all.extend(folders.filter(|kind| every(kind.name)).map(Harm::Folder));
    Ok(all)
}

impl Harm {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Plugin(villain, _) => villain.name,
            Self::Folder(kind) => kind.name,
        }
    }

    /// The `hookbox.toml` that it needs.
    pub(crate) fn config(&self) -> &'static str {
        match self {
            Self::Plugin(villain, _) => villain.host,
            Self::Folder(_) => "",
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
