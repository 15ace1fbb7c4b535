//! Clients that post messages until the host is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope};

use hookbox_testkit::http::Client;

use crate::ledger::{Ledger, Message};

/// Clients at once.
const CLIENTS: usize = 8;

/// Messages that have more bytes, so that the journal's log grows.
const LARGE: usize = 48 << 10;

/// Starts the clients. They end with the host, or when `stop` is set.
pub(crate) fn start<'s>(
    scope: &'s Scope<'s, '_>,
    ledger: &'s Ledger,
    url: &str,
    large: bool,
    stop: &'s AtomicBool,
) {
    for _ in 0..CLIENTS {
        let url = format!("{url}/webhook");
        scope.spawn(move || {
            let client = Client::default();
            let padding = if large { LARGE } else { 0 };
            while !stop.load(Ordering::Relaxed) {
                if !post(&client, &url, ledger, ledger.next(padding)) {
                    return;
                }
            }
        });
    }
}

/// Posts what has no answer yet, until all of it has one.
pub(crate) fn settle(ledger: &Ledger, url: &str) {
    let url = format!("{url}/webhook");
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let client = Client::default();
                while let Some(message) = ledger.next_open() {
                    assert!(post(&client, &url, ledger, message), "the host is gone");
                }
            });
        }
    });
}

/// Whether there was an answer.
fn post(client: &Client, url: &str, ledger: &Ledger, message: Message) -> bool {
    match client.post(url, &[], message.body().as_bytes()) {
        Ok(answer) if answer.status == 200 => {
            ledger.answered(answer.header("hookbox-duplicate-of").is_some());
            true
        }
        Ok(answer) => {
            assert_eq!(answer.status, 503, "{}", answer.body);
            ledger.unanswered(message, true);
            true
        }
        Err(_) => {
            ledger.unanswered(message, false);
            false
        }
    }
}
