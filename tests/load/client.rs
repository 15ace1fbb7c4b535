//! Posts bodies over kept connections and times the answers.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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
    let tasks = over_connections(address, |mut connection, _| async move {
        let mut latencies = Vec::new();
        while Instant::now() < end {
            let request = connection.request();
            let sent = Instant::now();
            connection.post(&request).await?;
            latencies.push(sent.elapsed());
        }
        Ok(latencies)
    })
    .await?;
    Ok(join(tasks).await?.concat())
}

/// What requests at a steady rate took.
#[derive(Debug, Default)]
pub(crate) struct Steady {
    pub(crate) latencies: Latencies,
    /// How much later than due this program sent them, where nothing but itself
    /// kept it from sending.
    pub(crate) late: Vec<Duration>,
}

/// `rate` requests a second, evenly spaced, whatever becomes of those before. A
/// thread of its own gives the times, finer than the runtime's timers. A request
/// counts from when it is sent, or from when it was due if the last answer on its
/// connection came too late for that.
pub(crate) async fn steady(address: &str, time: Duration, rate: u64) -> io::Result<Steady> {
    let mut due = Vec::new();
    let tasks = over_connections(address, |mut connection, _| {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        due.push(sender);
        async move {
            let mut steady = Steady::default();
            let mut request = connection.request();
            let mut free = Instant::now();
            while let Some(due) = receiver.recv().await {
                let sent = Instant::now();
                connection.post(&request).await?;
                let answered = Instant::now();
                let late = free > due;
                if !late {
                    steady.late.push(sent.saturating_duration_since(due));
                }
                let from = if late { due } else { sent };
                steady.latencies.push(answered - from);
                request = connection.request();
                free = Instant::now();
            }
            Ok(steady)
        }
    })
    .await?;
    let pacer = thread::spawn(move || pace(&due, time, rate));
    let mut all = Steady::default();
    for one in join(tasks).await? {
        all.latencies.extend(one.latencies);
        all.late.extend(one.late);
    }
    pacer.join().map_err(|_| io::Error::other("no times"))?;
    Ok(all)
}

/// Says in turn to each connection when its next request is due, at that time.
fn pace(connections: &[mpsc::UnboundedSender<Instant>], time: Duration, rate: u64) {
    go_first();
    let start = Instant::now();
    for (number, connection) in (0..).zip(connections.iter().cycle()) {
        let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
        if due >= start + time {
            return;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // One whose connection has failed says so itself.
        let _ = connection.send(due);
    }
}

/// Has the calling thread go before the host's, where that is allowed: clients are
/// on other machines, and what they wait for a core isn't the host's doing.
pub(crate) fn go_first() {
    let _ = rustix::process::nice(-10);
}

async fn over_connections<T, F>(
    address: &str,
    mut work: impl FnMut(Connection, u64) -> F,
) -> io::Result<JoinSet<io::Result<T>>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for index in 0..CONNECTIONS {
        let connection = Connection::open(address, index).await?;
        tasks.spawn(work(connection, index));
    }
    Ok(tasks)
}

async fn join<T: 'static>(mut tasks: JoinSet<io::Result<T>>) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    while let Some(one) = tasks.join_next().await {
        all.push(one.map_err(io::Error::other)??);
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
