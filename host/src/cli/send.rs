//! `hookbox send`: an event as the provider would send it.
//!
//! File → current time put in ([`stamp`]) → headers and signature ([`headers`])
//! → one POST → status, body and the duplicate header on stdout.

mod headers;
pub(super) mod stamp;
#[cfg(test)]
mod tests;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::operator::text;
use crate::config::{self, SecretError, SecretRef};
use crate::ingest::DUPLICATE_OF;
use crate::types::{Secret, UnixMicros};
use headers::{HeaderError, Scheme};

const EXAMPLES: &str = "\
Examples:
  hookbox send tests/samples/chat.push.json
  hookbox send event.json --secret env:WEBHOOK_SECRET
  hookbox send event.json --header 'X-API-Key: abc' --url https://example.com/webhook
  echo '{\"event_type\":\"test\"}' | hookbox send - --test";

/// Send an event body as the provider would, signed.
///
/// The current time is put into the body's `timestamp` or `created`, since the
/// same body sent twice is a duplicate and isn't handled again. An account event
/// is known by its `id`: change that to send it again. Exits with 0
/// only if the answer is 200.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The file with the body; `-` reads standard input.
    file: PathBuf,
    /// Where to send it.
    #[arg(long, default_value = "http://127.0.0.1:3000/webhook")]
    url: String,
    /// The secret to sign with: the text itself, `env:NAME` or `file:PATH`.
    #[arg(long)]
    secret: Option<String>,
    /// How to use the secret; by default as the provider does for this body:
    /// `hmac` for session events, `hmac-timestamped` for account events.
    #[arg(long, value_enum, requires = "secret")]
    scheme: Option<Scheme>,
    /// One more header, `Name: value`. Can be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Send the file byte for byte, with the times in it.
    #[arg(long)]
    as_is: bool,
    /// Add `X-Test-Webhook: true`, as the dashboard's Test button does.
    #[arg(long)]
    test: bool,
}

/// Why nothing was sent, or no answer came.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The body can't be read.
    #[error("{path} can't be read: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The secret can't be fetched.
    #[error("--secret: {0}")]
    Secret(#[from] SecretError),
    /// A header can't be sent.
    #[error("--header: {0}")]
    Header(#[from] HeaderError),
    /// No answer.
    #[error(
        "no answer from {url}: {source}; is the host running there? name its webhook address with --url"
    )]
    Http {
        url: String,
        source: Box<ureq::Error>,
    },
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    duplicate_of: Option<String>,
    body: String,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, SendError> {
    let now = UnixMicros::now();
    let body = read(&args.file)?;
    let body = if args.as_is {
        body
    } else {
        stamp::stamp(body, now)
    };
    let secret = args.secret.as_deref().map(secret).transpose()?;
    let mut headers = headers::headers(&body, secret.as_ref(), args.scheme, args.test, now);
    for header in &args.headers {
        headers.push(headers::parse(header)?);
    }
    let answer = post(&args.url, &headers, &body)?;
    // A closed pipe is no reason to call the sending a failure.
    let _ = print(&answer);
    Ok(if answer.status == 200 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(path: &Path) -> Result<Vec<u8>, SendError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    bytes.map_err(|source| SendError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Unlike in a configuration, the secret itself may stand here.
fn secret(text: &str) -> Result<Secret, SecretError> {
    match SecretRef::parse(text) {
        Ok(reference) => reference.resolve(Path::new(""), &config::environment),
        Err(_) => Ok(Secret::new(text)),
    }
}

fn post(url: &str, headers: &[(String, String)], body: &[u8]) -> Result<Answer, SendError> {
    let failed = |source| SendError::Http {
        url: url.to_owned(),
        source: Box::new(source),
    };
    // As the provider: one attempt of 10 s, and redirects aren't followed.
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let mut request = agent.post(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut response = request.send(body).map_err(failed)?;
    let duplicate_of = response
        .headers()
        .get(DUPLICATE_OF)
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned);
    Ok(Answer {
        status: response.status().as_u16(),
        duplicate_of,
        body: response.body_mut().read_to_string().map_err(failed)?,
    })
}

fn print(answer: &Answer) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(answer.text().as_bytes())
}

impl Answer {
    /// For a terminal: anyone may have answered.
    fn text(&self) -> String {
        let mut out = format!("{} {}\n", self.status, text::json(&self.body));
        if let Some(id) = &self.duplicate_of {
            out.push_str(&format!(
                "a duplicate of event {id}: not handled again; change the body (an account event's `id`) to send a new one\n"
            ));
        }
        out
    }
}
