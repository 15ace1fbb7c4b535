//! The two listeners' addresses: free, or answered by a hookbox.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::report::Report;
use crate::cli::operator::target::reach;
use crate::config::Config;
use crate::journal::sqlite::doctor::Holder;

/// How long the answer of a host may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Free,
    Hookbox,
    Stranger,
}

pub(super) fn look(config: &Config, holder: Option<Holder>, report: &mut Report) {
    one("webhooks", "--listen", config.listen, holder, report);
    one("admin", "--admin", config.admin.listen, holder, report);
}

fn one(what: &str, flag: &str, address: SocketAddr, holder: Option<Holder>, report: &mut Report) {
    let topic = format!("{what} address");
    if address.port() == 0 {
        report.ok(&topic, format!("{address}: the system chooses the port"));
        return;
    }
    let found = match who(address) {
        Ok(found) => found,
        Err(error) => {
            let advice = format!("choose another address with {flag}");
            report.problem(
                &topic,
                format!("can't listen on {address}: {error}"),
                Some(&advice),
            );
            return;
        }
    };
    let held = matches!(holder, Some(Holder::Host(_)));
    match found {
        Found::Free if held => report.warning(
            &topic,
            format!("nobody listens on {address}, but a host has the data folder open"),
            Some("it runs with other settings: run the doctor with the same flags and variables"),
        ),
        Found::Free => report.ok(&topic, format!("{address} is free")),
        Found::Hookbox if held => report.ok(&topic, format!("a hookbox answers on {address}")),
        Found::Hookbox => report.warning(
            &topic,
            format!("a hookbox answers on {address}, with another data folder"),
            Some("stop it, or choose another address"),
        ),
        Found::Stranger => {
            let advice = format!("stop that program, or choose another address with {flag}");
            report.problem(
                &topic,
                format!("another program uses {address}"),
                Some(&advice),
            );
        }
    }
}

fn who(address: SocketAddr) -> io::Result<Found> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(Found::Free),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(answered(address)),
        Err(error) => Err(error),
    }
}

/// Every listener of a host answers `/healthz`, in these very bytes.
fn answered(address: SocketAddr) -> Found {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .proxy(None)
        .max_redirects(0)
        .build()
        .into();
    let Ok(address) = reach(address) else {
        return Found::Stranger;
    };
    let answer = agent.get(format!("http://{address}/healthz")).call();
    let body = answer.and_then(|mut answer| answer.body_mut().read_to_string());
    match body {
        Ok(body) if body == r#"{"status":"ok"}"# => Found::Hookbox,
        _ => Found::Stranger,
    }
}
