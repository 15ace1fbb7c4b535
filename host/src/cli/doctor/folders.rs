//! The folders: there, usable, private, with space.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::report::Report;
use crate::cli::operator::text;
use crate::config::EndpointConfig;

/// With less the host soon answers 503.
const LITTLE: u64 = 64 << 20;
/// With less someone should look.
const SOME: u64 = 1 << 30;

const DATA: &str = "data folder";

/// The store's folder.
pub(super) fn data(folder: &Path, report: &mut Report) {
    let name = folder.display();
    if !usable(DATA, folder, report) {
        return;
    }
    let mode = folder.metadata().map_or(0, |it| it.permissions().mode());
    if folder.exists() && mode & 0o022 != 0 {
        let advice = format!("chmod 700 {name}");
        report.problem(
            DATA,
            format!("others can write to {name}: who can, runs code in the host"),
            Some(&advice),
        );
    } else if folder.exists() && mode & 0o055 != 0 {
        let advice = format!("chmod 700 {name}");
        report.warning(
            DATA,
            format!("others can look into {name}, and events are private"),
            Some(&advice),
        );
    }
    space(folder, report);
}

/// The plugins folder of an endpoint.
pub(super) fn plugins(endpoint: &EndpointConfig, report: &mut Report) {
    let topic = format!("plugins of {}", endpoint.name);
    let folder = &endpoint.plugins;
    if !usable(&topic, folder, report) {
        return;
    }
    let mode = folder.metadata().map_or(0, |it| it.permissions().mode());
    if mode & 0o002 != 0 {
        let advice = format!("chmod o-w {}", folder.display());
        report.warning(
            &topic,
            format!(
                "every user of this machine can install plugins in {}",
                folder.display()
            ),
            Some(&advice),
        );
    }
}

/// Whether the host can use a folder, or make it.
fn usable(topic: &str, folder: &Path, report: &mut Report) -> bool {
    let name = folder.display();
    let there = match folder.metadata() {
        Ok(metadata) if !metadata.is_dir() => {
            let advice = "move it away, or name another folder";
            report.problem(topic, format!("{name} isn't a folder"), Some(advice));
            return false;
        }
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            report.problem(topic, format!("{name} can't be looked at: {error}"), None);
            return false;
        }
    };
    let nearest = nearest(folder);
    match access(
        nearest,
        Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
    ) {
        Ok(()) if there => report.ok(topic, format!("{name} can be used")),
        Ok(()) => report.ok(topic, format!("{name} isn't there yet: the host makes it")),
        Err(error) => {
            let advice = "give this user the right to read and write there, or run the doctor as the host's user";
            let error = io::Error::from(error);
            let nearest = nearest.display();
            report.problem(
                topic,
                format!("{nearest} can't be used: {error}"),
                Some(advice),
            );
            return false;
        }
    }
    true
}

/// The folder, or what of its path there is.
fn nearest(folder: &Path) -> &Path {
    let found = folder.ancestors().find(|path| path.exists());
    match found {
        Some(path) if path != Path::new("") => path,
        _ => Path::new("."),
    }
}

fn space(folder: &Path, report: &mut Report) {
    const TOPIC: &str = "disk";
    let free = match statvfs(nearest(folder)) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            let error = io::Error::from(error);
            report.warning(TOPIC, format!("its free space isn't known: {error}"), None);
            return;
        }
    };
    let found = format!("{} free for the data folder", text::size(free));
    let advice =
        "make space, or bound the store with `retention` and `retention_size` in [journal]";
    match free {
        ..LITTLE => report.problem(TOPIC, found, Some(advice)),
        LITTLE..SOME => report.warning(TOPIC, found, Some(advice)),
        _ => report.ok(TOPIC, found),
    }
}
