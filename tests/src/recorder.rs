//! A server that writes down each request it gets: the other end of the outbox.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The longest body that it takes.
const MAX_BODY: u64 = 16 << 20;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// `POST`, …
    pub method: String,
    /// With the query.
    pub path: String,
    /// With lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of that lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What a request gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An empty answer with this status.
    Status(u16),
    /// None: the connection is closed.
    Nothing,
}

/// A server on a port of its own, until the process ends.
#[derive(Clone, Debug)]
pub struct Recorder {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

/// Decides what the n-th request (from 0) gets back.
type Script = dyn Fn(usize, &Received) -> Reply + Send + Sync;

impl Recorder {
    /// Starts it. Every request is written down, whatever `script` has it get
    /// back.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let recorder = Self {
            address,
            received: Arc::default(),
        };
        let received = Arc::clone(&recorder.received);
        let script: Arc<Script> = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, script) = (Arc::clone(&received), Arc::clone(&script));
                // A client that goes away or talks nonsense ends its connection.
                thread::spawn(move || drop(serve(&stream, &received, &*script)));
            }
        });
        recorder
    }

    /// Starts it; every request is answered 200.
    #[must_use]
    pub fn start_friendly() -> Self {
        Self::start(|_, _| Reply::Status(200))
    }

    /// Its URL, with a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What has arrived so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.received).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, received: &Mutex<Vec<Received>>, script: &Script) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let number = {
            let mut received = lock(received);
            received.push(request.clone());
            received.len() - 1
        };
        match script(number, &request) {
            Reply::Nothing => return Ok(()),
            Reply::Status(status) => {
                let mut stream = stream;
                write!(
                    stream,
                    "HTTP/1.1 {status} Recorded\r\ncontent-length: 0\r\n\r\n"
                )?;
            }
        }
    }
    Ok(())
}

/// The next request; `None` at the connection's end.
fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Received>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(io::Error::other("no request line"));
    };
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().map_err(io::Error::other)?;
        }
        headers.push((name, value));
    }
    if length > MAX_BODY {
        return Err(io::Error::other("too large"));
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    Ok((body.len() as u64 == length).then_some(Received {
        method,
        path,
        headers,
        body,
    }))
}
