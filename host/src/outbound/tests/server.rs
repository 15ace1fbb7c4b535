//! A server that records what comes in and answers as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// First line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Recorded {
    /// The values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1);
        let pairs = lines.filter_map(|line| line.split_once(": "));
        pairs
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

/// What the server does after a request.
pub(crate) enum Reply {
    /// Sends this and closes.
    Bytes(Vec<u8>),
    /// Sends the first, then the second for ever.
    Endless(&'static str, &'static str),
    /// Sends this, and then nothing until the other side goes.
    Stalled(&'static str),
    /// Nothing, until the other side goes.
    Silence,
}

impl Reply {
    pub(crate) fn status(line: &str) -> Self {
        let answer = format!("HTTP/1.1 {line}\r\ncontent-length: 2\r\n\r\nok");
        Self::Bytes(answer.into_bytes())
    }
}

type Answer = Arc<dyn Fn(&Recorded) -> Reply + Send + Sync>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Mutex<mpsc::UnboundedReceiver<Recorded>>,
    connections: Arc<AtomicUsize>,
    most_open: Arc<AtomicUsize>,
    open: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self::run(Arc::new(answer), None).await
    }

    /// With a certificate for `name`, which is returned as its own authority.
    pub(crate) async fn start_tls(name: &str) -> (Self, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .expect("it fits");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = Self::run(
            Arc::new(|_: &Recorded| Reply::status("200 OK")),
            Some(acceptor),
        );
        (server.await, made.cert.der().clone())
    }

    async fn run(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let most_open = Arc::new(AtomicUsize::new(0));
        let (open, open_now) = watch::channel(0);
        let (count, most) = (Arc::clone(&connections), Arc::clone(&most_open));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.send_modify(|open| *open += 1);
                most.fetch_max(*open.borrow(), Ordering::SeqCst);
                let (answer, sender, tls) = (Arc::clone(&answer), sender.clone(), tls.clone());
                let open = open.clone();
                tokio::spawn(async move {
                    match tls {
                        None => talk(stream, &answer, &sender).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, &answer, &sender).await;
                            }
                        }
                    }
                    open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self {
            address,
            requests: Mutex::new(requests),
            connections,
            most_open,
            open: open_now,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request that comes in.
    pub(crate) async fn next(&self) -> Recorded {
        let mut requests = self.requests.lock().await;
        requests.recv().await.expect("the server runs")
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until the other sides of all connections have closed.
    pub(crate) async fn all_closed(&self) {
        let mut open = self.open.clone();
        open.wait_for(|open| *open == 0)
            .await
            .expect("the server runs");
    }

    /// The most connections at once.
    pub(crate) fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }
}

/// Serves one request. Whoever goes in the middle of it is let go.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &Answer,
    requests: &mpsc::UnboundedSender<Recorded>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let reply = answer(&request);
    let _ = requests.send(request);
    match reply {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Endless(head, piece) => {
            let mut result = stream.write_all(head.as_bytes()).await;
            while result.is_ok() {
                result = stream.write_all(piece.as_bytes()).await;
            }
        }
        Reply::Stalled(start) => {
            let _ = stream.write_all(start.as_bytes()).await;
        }
        Reply::Silence => {}
    }
    // Until the other side closes: closing first could cut off the answer.
    let mut rest = [0; 1024];
    while let Ok(1..) = stream.read(&mut rest).await {}
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Recorded> {
    let mut all = Vec::new();
    let head_end = loop {
        if let Some(at) = all.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut all).await.ok()? == 0 {
            return None;
        }
    };
    let mut request = Recorded {
        head: String::from_utf8_lossy(&all[..head_end]).into_owned(),
        body: all.split_off(head_end),
    };
    let length = request.header("content-length").first().copied();
    let length: usize = length.unwrap_or("0").parse().ok()?;
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(request)
}
