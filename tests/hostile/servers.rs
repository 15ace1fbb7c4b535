//! Servers that mean harm.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hookbox_testkit::wait_for;

/// What it does to who has sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// A body without end.
    EndlessBody,
    /// Headers without end.
    EndlessHeaders,
    /// A first line without end.
    EndlessStatus,
    /// A head, byte by byte.
    SlowHead,
    /// A body, byte by byte.
    SlowBody,
    /// Nothing.
    Silence,
    /// Less than it says.
    ShortBody,
    /// It says that there are exabytes.
    HugeLength,
    /// Two lengths.
    TwoLengths,
    /// A chunk of no size.
    BadChunk,
    /// Interim answers without end.
    Continues,
    /// No HTTP.
    Garbage,
    /// The connection breaks.
    Reset,
    /// A small body that says it is a large one, compressed.
    Zipped,
    /// To where clouds keep credentials.
    Redirect,
    /// A head, and never a body.
    Held,
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// On a port of its own, until the process ends.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(harm: Harm) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let open = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&open);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let count = Arc::clone(&count);
                thread::spawn(move || {
                    // It ends when the other side goes away.
                    let _ = serve(&stream, harm);
                    drop(stream);
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, open }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn wait_open(&self, least: usize) {
        wait_for(&format!("{least} open connections"), || {
            (self.open() >= least).then_some(())
        });
    }

    pub(crate) fn wait_idle(&self) {
        wait_for("its connections to be closed", || {
            (self.open() == 0).then_some(())
        });
    }
}

fn serve(stream: &TcpStream, harm: Harm) -> io::Result<()> {
    let mut head = BufReader::new(stream);
    let mut line = String::new();
    while head.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut out = stream;
    match harm {
        Harm::EndlessBody => {
            write!(out, "{OK}\r\n")?;
            for_ever(stream, &[b'x'; 64 << 10], Duration::ZERO)
        }
        Harm::EndlessHeaders => {
            out.write_all(OK.as_bytes())?;
            for_ever(stream, b"x-more: and more of it\r\n", Duration::ZERO)
        }
        Harm::EndlessStatus => {
            out.write_all(b"HTTP/1.1 200 ")?;
            for_ever(stream, &[b'O'; 4096], Duration::ZERO)
        }
        Harm::SlowHead => {
            out.write_all(OK.as_bytes())?;
            for_ever(stream, b"x", TICK)
        }
        Harm::SlowBody => {
            write!(out, "{OK}content-length: 100000\r\n\r\n")?;
            for_ever(stream, b"x", TICK)
        }
        Harm::Silence => until_closed(stream),
        Harm::ShortBody => write!(out, "{OK}content-length: 100\r\n\r\nshort"),
        Harm::HugeLength => {
            write!(out, "{OK}content-length: 18446744073709551615\r\n\r\nshort")?;
            until_closed(stream)
        }
        Harm::TwoLengths => write!(
            out,
            "{OK}content-length: 1\r\ncontent-length: 200\r\n\r\nshort"
        ),
        Harm::BadChunk => write!(
            out,
            "{OK}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nx"
        ),
        Harm::Continues => for_ever(stream, b"HTTP/1.1 103 Early Hints\r\n\r\n", Duration::ZERO),
        Harm::Garbage => out.write_all(b"\x16\x03\x01\x02\0\x1b[2Jno such thing\r\n\r\n"),
        Harm::Reset => stream.shutdown(std::net::Shutdown::Both),
        Harm::Zipped => {
            let body = [0; 4096];
            write!(
                out,
                "{OK}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                body.len()
            )?;
            out.write_all(&body)
        }
        Harm::Redirect => write!(
            out,
            "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n"
        ),
        Harm::Held => {
            write!(out, "{OK}content-length: 100\r\n\r\n")?;
            until_closed(stream)
        }
    }
}

/// Between two bytes of those who are slow.
const TICK: Duration = Duration::from_millis(50);

fn for_ever(mut stream: &TcpStream, bytes: &[u8], pause: Duration) -> io::Result<()> {
    loop {
        stream.write_all(bytes)?;
        thread::sleep(pause);
    }
}

fn until_closed(stream: &TcpStream) -> io::Result<()> {
    io::copy(&mut &*stream, &mut io::sink()).map(drop)
}
