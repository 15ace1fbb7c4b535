//! Posts bodies over kept connections and times the answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many connections post at once.
pub(crate) const CONNECTIONS: u64 = 64;

/// The secret of the `X-bitHuman-Signature` header.
pub(crate) const SECRET: &str = "load-program-secret";

/// Distinguishes every body of a run of this program.
static BODIES: AtomicU64 = AtomicU64::new(0);

/// The times between sending a request and having its answer.
pub(crate) type Latencies = Vec<Duration>;

/// Every connection posts its next body as soon as it has an answer.
pub(crate) async fn full_speed(address: &str, time: Duration) -> io::Result<Latencies> {
    let end = Instant::now() + time;
    over_connections(address, move |mut connection, _| async move {
        let mut latencies = Vec::new();
        while Instant::now() < end {
            let request = connection.request();
            let sent = Instant::now();
            connection.post(&request).await?;
            latencies.push(sent.elapsed());
        }
        Ok(latencies)
    })
    .await
}

/// `rate` requests a second, evenly spaced. A request that could not be sent in
/// time because the last answer was late counts from when it was due.
pub(crate) async fn steady(address: &str, time: Duration, rate: u64) -> io::Result<Latencies> {
    let start = Instant::now();
    let interval = Duration::from_secs(1) * u32::try_from(CONNECTIONS).unwrap_or(1)
        / u32::try_from(rate).unwrap_or(1);
    over_connections(address, move |mut connection, index| async move {
        let mut latencies = Vec::new();
        let offset = interval.mul_f64(index as f64 / CONNECTIONS as f64);
        let mut due = start + offset;
        while due < start + time {
            tokio::time::sleep_until(due).await;
            let request = connection.request();
            connection.post(&request).await?;
            latencies.push(due.elapsed());
            due += interval;
        }
        Ok(latencies)
    })
    .await
}

async fn over_connections<F, W>(address: &str, work: W) -> io::Result<Latencies>
where
    W: Fn(Connection, u64) -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<Latencies>> + Send + 'static,
{
    let work = Arc::new(work);
    let mut tasks = JoinSet::new();
    for index in 0..CONNECTIONS {
        let connection = Connection::open(address, index).await?;
        let work = Arc::clone(&work);
        tasks.spawn(async move { work(connection, index).await });
    }
    let mut all = Vec::new();
    while let Some(latencies) = tasks.join_next().await {
        all.extend(latencies.map_err(io::Error::other)??);
    }
    Ok(all)
}

struct Connection {
    stream: TcpStream,
    address: String,
    session: String,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str, index: u64) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address: address.to_owned(),
            session: format!("8d947f06-2c36-4d98-aafe-{index:012}"),
            answer: Vec::with_capacity(1024),
        })
    }

    /// A signed request with a body that no other has. A session is one in
    /// sixteen messages of a connection long, as conversations are.
    fn request(&self) -> Vec<u8> {
        let number = BODIES.fetch_add(1, Ordering::Relaxed);
        let conversation = number / (16 * CONNECTIONS);
        let body = format!(
            concat!(
                r#"{{"agent_id":"A80HVD8577","event_type":"chat.push","data":{{"role":"user","#,
                r#""message":"I need help with my order #{}","session_id":"{}-{}","#,
                r#""timestamp":1790607268.8956978}},"timestamp":1790607268.895705}}"#
            ),
            number, self.session, conversation
        );
        let signature = sign(body.as_bytes());
        format!(
            "POST /webhook HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nx-bithuman-signature: sha256={signature}\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .into_bytes()
    }

    async fn post(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::Error::other("the peer closed the connection"));
            }
            if is_complete(&self.answer)? {
                break;
            }
        }
        if !self.answer.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(
                String::from_utf8_lossy(&self.answer).into_owned(),
            ));
        }
        Ok(())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn is_complete(answer: &[u8]) -> io::Result<bool> {
    let Some(head) = find(answer, b"\r\n\r\n") else {
        return Ok(false);
    };
    Ok(answer.len() >= head + 4 + content_length(&answer[..head])?)
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse().ok());
    length.ok_or_else(|| io::Error::other("an answer without a content-length"))
}

fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
    mac.update(body);
    let tag = mac.finalize().into_bytes();
    tag.iter().map(|byte| format!("{byte:02x}")).collect()
}
