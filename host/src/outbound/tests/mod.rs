//! The connector and the client against real sockets.

mod connecting;
mod exchange;
pub(crate) mod server;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rustls::pki_types::CertificateDer;

use super::client::{Bounds, Request};
use super::connect::Resolve;
use super::{AllowedNets, Client, Connector, Target};

/// A time limit that no test is to reach.
const LONG: Duration = Duration::from_secs(60);

/// Answers each question with the next of these lists; the last one stays.
pub(crate) struct Names {
    lists: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    pub(crate) fn new(lists: &[&[&str]]) -> Arc<Self> {
        let list = |list: &&[&str]| {
            let parse = |address: &&str| address.parse().expect("an address");
            list.iter().map(parse).collect()
        };
        Arc::new(Self {
            lists: Mutex::new(lists.iter().map(list).collect()),
            asked: Mutex::default(),
        })
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("unpoisoned").clone()
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().expect("unpoisoned").push(name.to_owned());
        let mut lists = self.lists.lock().expect("unpoisoned");
        let list = match lists.len() {
            0 => return Err(io::Error::other("no such name")),
            1 => lists.front().cloned(),
            _ => lists.pop_front(),
        };
        Ok(list.unwrap_or_default())
    }
}

/// A client for which all names are this machine, which is open.
pub(crate) fn local_client(bounds: Bounds) -> Client {
    client(
        Names::new(&[&["127.0.0.1"]]),
        &["127.0.0.1"],
        Vec::new(),
        bounds,
    )
}

pub(crate) fn client(
    names: Arc<Names>,
    allowed: &[&str],
    authorities: Vec<CertificateDer<'static>>,
    bounds: Bounds,
) -> Client {
    let allowed: Vec<_> = allowed.iter().map(|&net| net.to_owned()).collect();
    let allowed = AllowedNets::parse(&allowed).expect("good networks");
    Client::new(Connector::new(names, allowed, authorities, LONG), bounds)
}

fn bounds() -> Bounds {
    Bounds {
        total: LONG,
        ..Bounds::default()
    }
}

fn get(url: &str) -> Request {
    Request {
        method: "GET".into(),
        target: Target::parse(url).expect(url),
        headers: hyper::HeaderMap::new(),
        body: bytes::Bytes::new(),
    }
}
