//! The JSON body of a request that changes something: small, in time, and with
//! no key that isn't known.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::ingest::problem::Problem;

const LARGEST: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let bytes = timeout(TIMEOUT, to_bytes(request.into_body(), LARGEST))
        .await
        .map_err(|_| Problem::Timeout {
            seconds: TIMEOUT.as_secs(),
        })?
        .map_err(|error| Problem::BadRequest(format!("the body can't be read: {error}")))?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let asked = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let place = match error.path().to_string() {
            whole if whole == "." => "the body".to_owned(),
            key => format!("`{key}`"),
        };
        Problem::BadRequest(format!("{place}: {}", error.inner()))
    })?;
    json.end()
        .map_err(|error| Problem::BadRequest(format!("the body: {error}")))?;
    Ok(asked)
}
