//! Connections to the addresses that were checked.
//!
//! A name is resolved once for each connection; [`address::check`] picks those
//! of its addresses that are open, and the connection is made to the very one
//! that was checked, so a name that changes its mind in between gains nothing.
//! A name with open and closed addresses is reached through the open ones. TLS
//! is verified for the name. Proxies of the environment aren't used: they would
//! resolve the name again.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Host;

use super::address::{self, AllowedNets, Refused};
use super::target::Target;

/// How many addresses of a name are tried. More is no service but a list.
const MAX_ADDRESSES: usize = 4;

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// The addresses, in the order in which they are to be tried.
    ///
    /// # Errors
    /// When there are none, or nobody to ask.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = tokio::net::lookup_host((name, 0)).await?;
        Ok(addresses.map(|address| address.ip()).collect())
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name can't be resolved.
    #[error("the name {name} can't be resolved: {source}")]
    Resolve {
        /// Which.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The name has no addresses.
    #[error("the name {0} has no address")]
    NoAddress(String),
    /// None of the addresses may be connected to.
    #[error("{}{refused}", named(host, refused))]
    Refused {
        /// The name or address.
        host: String,
        /// The first of them.
        refused: Refused,
    },
    /// Nobody answers there.
    #[error("can't connect to {address}: {source}")]
    Connect {
        /// The last that was tried.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The other side isn't who it should be, or speaks no TLS.
    #[error("no TLS connection to {host}: {source}")]
    Tls {
        /// The name or address.
        host: String,
        /// Why.
        source: io::Error,
    },
}

/// The name before what is said of its address; an address stands there already.
fn named(host: &str, refused: &Refused) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.parse() == Ok(refused.address) {
        String::new()
    } else {
        format!("{host}: ")
    }
}

/// Why certificates can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The file can't be read, or isn't PEM.
    #[error("{path} can't be read as certificates in PEM: {message}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A certificate that can't be used.
    #[error("{path} holds no certificate that can be used", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A connection, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections.
#[derive(Clone)]
pub struct Connector {
    resolver: Arc<dyn Resolve>,
    allowed: Arc<AllowedNets>,
    tls: TlsConnector,
    step: Duration,
}

impl Connector {
    /// One that trusts Mozilla's certificate authorities and `more`. Resolving,
    /// connecting to one address and the TLS handshake may take `step` each.
    #[must_use]
    pub fn new(
        resolver: Arc<dyn Resolve>,
        allowed: AllowedNets,
        more: Vec<CertificateDer<'static>>,
        step: Duration,
    ) -> Self {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        roots.add_parsable_certificates(more);
        Self {
            resolver,
            allowed: Arc::new(allowed),
            tls: TlsConnector::from(Arc::new(tls_config(roots))),
            step,
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// When there is nothing to connect to, or it must not be.
    pub async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, ConnectError> {
        let addresses = self.addresses(target.host()).await?;
        let open = self.open(target.host(), &addresses)?;
        let stream = self.connect_to_one(&open, target.port()).await?;
        // Small requests go out at once. A connection works without, too.
        let _ = stream.set_nodelay(true);
        if target.is_https() {
            self.encrypt(target.host(), stream).await
        } else {
            Ok(Box::new(stream))
        }
    }

    async fn addresses(&self, host: &Host<String>) -> Result<Vec<IpAddr>, ConnectError> {
        let name = match host {
            Host::Ipv4(address) => return Ok(vec![IpAddr::V4(*address)]),
            Host::Ipv6(address) => return Ok(vec![IpAddr::V6(*address)]),
            Host::Domain(name) => name,
        };
        match within(self.step, self.resolver.resolve(name)).await {
            Ok(addresses) if addresses.is_empty() => Err(ConnectError::NoAddress(name.clone())),
            Ok(addresses) => Ok(addresses),
            Err(source) => Err(ConnectError::Resolve {
                name: name.clone(),
                source,
            }),
        }
    }

    /// Those that may be connected to.
    fn open(&self, host: &Host<String>, all: &[IpAddr]) -> Result<Vec<IpAddr>, ConnectError> {
        let mut open = Vec::new();
        let mut first_refused = None;
        for &address in all {
            match address::check(address, &self.allowed) {
                Ok(()) => open.push(address),
                Err(refused) => {
                    first_refused.get_or_insert(refused);
                }
            }
        }
        match first_refused {
            Some(refused) if open.is_empty() => Err(ConnectError::Refused {
                host: host.to_string(),
                refused,
            }),
            _ => {
                open.truncate(MAX_ADDRESSES);
                Ok(open)
            }
        }
    }

    async fn connect_to_one(
        &self,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<TcpStream, ConnectError> {
        let mut last = None;
        for &address in addresses {
            let address = SocketAddr::new(address, port);
            match within(self.step, TcpStream::connect(address)).await {
                Ok(stream) => return Ok(stream),
                Err(source) => last = Some(ConnectError::Connect { address, source }),
            }
        }
        Err(last.unwrap_or_else(|| ConnectError::NoAddress(String::new())))
    }

    async fn encrypt(
        &self,
        host: &Host<String>,
        stream: TcpStream,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let failed = |source| ConnectError::Tls {
            host: host.to_string(),
            source,
        };
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
        };
        let stream = within(self.step, self.tls.connect(name, stream))
            .await
            .map_err(failed)?;
        Ok(Box::new(stream))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// The certificates in a PEM file, to be trusted as authorities.
///
/// # Errors
/// When there are none.
pub fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let read = |error: rustls::pki_types::pem::Error| CaError::Read {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(read)?
        .collect::<Result<_, _>>()
        .map_err(read)?;
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates.clone());
    if usable == 0 {
        return Err(CaError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

#[expect(
    clippy::expect_used,
    reason = "ring has the default protocol versions: it's settled when this is compiled"
)]
fn tls_config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports them")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long")))
}
