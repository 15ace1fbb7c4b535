//! A host gives up what it doesn't need: here a process does as it would, and
//! tries what is left.

use std::process::{Command, Stdio};

use super::report::Report;
use crate::cli::settings::Settings;
use crate::confine::{Mode, probe};
use crate::plugins::compile::own_program;

const TOPIC: &str = "confining";

/// Says what confines a host with these settings on this system.
pub(super) fn look(settings: &Settings, mode: Mode, report: &mut Report) {
    if mode == Mode::Off {
        let found = "off: the host keeps what its user may do";
        report.warning(TOPIC, found, Some("set `host.confine` to \"try\""));
        return;
    }
    let tested = match ask_child(settings) {
        Ok(tested) => tested,
        Err(problem) => {
            report.problem(TOPIC, problem, None);
            return;
        }
    };
    for needed in &tested.needed {
        if let Some(why) = &needed.refused {
            let found = format!("a confined host can't {}: {why}", needed.what);
            report.problem(TOPIC, found, Some("start it with `--confine off`"));
        }
    }
    match tested.confinement {
        Some(confinement) if confinement.is_full() => report.ok(TOPIC, confinement.to_string()),
        Some(confinement) => report.warning(
            TOPIC,
            confinement.to_string(),
            Some("use Linux 6.12 or newer and, in a container, a profile that allows both"),
        ),
        None => {}
    }
}

/// It can't take it back, so another process does it.
fn ask_child(settings: &Settings) -> Result<probe::Report, String> {
    let mut command = Command::new(own_program());
    command.arg("confined").stdin(Stdio::null());
    let paths = [
        ("--config", &settings.config),
        ("--plugins", &settings.plugins),
        ("--data", &settings.data),
    ];
    for (flag, path) in paths {
        if let Some(path) = path {
            command.arg(flag).arg(path);
        }
    }
    let addresses = [("--listen", settings.listen), ("--admin", settings.admin)];
    for (flag, address) in addresses {
        if let Some(address) = address {
            command.args([flag, &address.to_string()]);
        }
    }
    if let Some(mode) = settings.confine {
        command.args(["--confine", &mode.to_string()]);
    }
    if settings.allow_open {
        command.arg("--allow-open");
    }
    let output = command
        .output()
        .map_err(|error| format!("it can't be tried: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).map_err(|_| said.trim().to_owned())
}
