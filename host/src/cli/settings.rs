//! The flags that say which host is meant: where its settings come from, and
//! those that come before the file and the variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::Overrides;
use crate::confine::Mode;

/// Flags of the commands that are, or look at, a host on this machine.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Settings {
    /// The configuration [default: hookbox.toml if there is one].
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where webhooks come in [default: 127.0.0.1:3000].
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,
    /// The plugins folder [default: ./plugins].
    #[arg(long, value_name = "DIR")]
    pub(super) plugins: Option<PathBuf>,
    /// The data folder [default: ./data].
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The operator's listener: health, metrics, API [default: 127.0.0.1:3001].
    #[arg(long, value_name = "ADDR")]
    pub(super) admin: Option<SocketAddr>,
    /// Accept webhooks without authentication from other machines as well.
    #[arg(long)]
    pub(super) allow_open: bool,
    /// Give up what a host doesn't need, as far as the kernel can [default: try].
    #[arg(long, value_enum, value_name = "MODE")]
    pub(super) confine: Option<Mode>,
}

impl Settings {
    /// As the configuration takes them.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            config: self.config.clone(),
            listen: self.listen,
            plugins: self.plugins.clone(),
            data: self.data.clone(),
            admin: self.admin,
            allow_open: self.allow_open,
            confine: self.confine,
        }
    }
}
