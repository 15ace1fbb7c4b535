//! The provider's sample events, sent as it sends them but with the current
//! time in them.

use std::io;
use std::time::{Duration, Instant};

use crate::cli::send::stamp::stamp;
use crate::types::UnixMicros;

/// A sample event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The file's name.
    pub(super) name: &'static str,
    body: &'static str,
}

/// All of them, in the order in which a session would bring them.
pub(super) const ALL: [Sample; 6] = [
    sample(
        "test.json",
        include_str!("../../../../tests/samples/test.json"),
    ),
    sample(
        "room.join.json",
        include_str!("../../../../tests/samples/room.join.json"),
    ),
    sample(
        "room.join.live.json",
        include_str!("../../../../tests/samples/room.join.live.json"),
    ),
    sample(
        "chat.push.json",
        include_str!("../../../../tests/samples/chat.push.json"),
    ),
    sample(
        "chat.push.assistant.json",
        include_str!("../../../../tests/samples/chat.push.assistant.json"),
    ),
    sample(
        "agent.ready.json",
        include_str!("../../../../tests/samples/agent.ready.json"),
    ),
];

const fn sample(name: &'static str, body: &'static str) -> Sample {
    Sample { name, body }
}

/// What the host answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) took: Duration,
}

/// Posts one sample.
pub(super) async fn post(url: &str, sample: Sample) -> io::Result<Answer> {
    let body = stamp(sample.body.as_bytes().to_vec(), UnixMicros::now());
    let url = url.to_owned();
    let sent = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let answer = ureq::post(&url)
            .config()
            .http_status_as_error(false)
            .build()
            .header("content-type", "application/json")
            .send(&body[..])?;
        let status = answer.status().as_u16();
        let took = started.elapsed();
        let body = answer.into_body().read_to_string()?;
        Ok::<_, ureq::Error>(Answer { status, body, took })
    });
    sent.await?.map_err(ureq::Error::into_io)
}
