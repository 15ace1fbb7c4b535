//! Asks the admin API of a running host.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::HeaderValue;

use super::text;
use crate::types::Secret;

/// How long one answer may take: steps and pages are bounded by the host.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer: a thousand deliveries with long reasons.
const LARGEST: u64 = 256 << 20;

/// What only a webhook listener says of a path that it doesn't know.
const WEBHOOKS: &str = "webhooks are posted to";

/// Parameters of a request.
pub(crate) type Query = Vec<(&'static str, String)>;

/// What commands need of a host: tests put another one there.
pub(crate) trait Api {
    /// Reads.
    fn get(&self, path: &str, query: &Query) -> Result<Value, ClientError>;

    /// Has something done.
    fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError>;
}

/// Why the host did not do or tell it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nothing listens there, or nothing came back.
    #[error(
        "no answer from {base}: {source}; is the host running? start it with `hookbox serve`, or name its admin listener with --admin"
    )]
    NoAnswer {
        /// Who was asked.
        base: String,
        /// Why not.
        source: Box<ureq::Error>,
    },
    /// The listener wants its token.
    #[error(
        "the host at {0} wants its admin token: give it with --token env:NAME or file:PATH, or name the host's configuration with --config"
    )]
    NeedsToken(String),
    /// The host said no.
    #[error("{message}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// Why, in the host's words, made harmless.
        message: String,
    },
    /// The host's other listener.
    #[error(
        "{base} is where that host takes webhooks: name its admin listener with --admin (by default port 3001)"
    )]
    Webhooks {
        /// Who was asked.
        base: String,
    },
    /// Something else answers there.
    #[error(
        "what answers at {base} (with {status}) isn't a hookbox admin listener: name it with --admin"
    )]
    Stranger {
        /// Who was asked.
        base: String,
        /// The status of the answer.
        status: u16,
    },
}

/// A host over HTTP.
pub(crate) struct Client {
    base: String,
    token: Option<Secret>,
    agent: ureq::Agent,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureText,
}

#[derive(Deserialize)]
struct FailureText {
    message: String,
}

impl Client {
    pub(crate) fn new(base: String, token: Option<Secret>) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TIMEOUT))
            // The host is here or near; a proxy on the way would see the token.
            .proxy(None)
            .build()
            .into();
        Self { base, token, agent }
    }

    fn authorization(&self) -> Option<HeaderValue> {
        let token = self.token.as_ref()?;
        let mut value = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn no_answer(&self, source: ureq::Error) -> ClientError {
        ClientError::NoAnswer {
            base: self.base.clone(),
            source: Box::new(source),
        }
    }

    /// Reads what isn't to be taken apart: a stored body may hold JSON that has
    /// no exact value here, such as half a surrogate pair.
    pub(crate) fn get_text(&self, path: &str) -> Result<String, ClientError> {
        let (status, body) = self.call(path, &Query::new())?;
        self.judge::<Box<RawValue>>(status, &body)
            .map(|json| json.get().to_owned())
    }

    fn call(&self, path: &str, query: &Query) -> Result<(u16, Vec<u8>), ClientError> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in query {
            request = request.query(*name, value);
        }
        if let Some(value) = self.authorization() {
            request = request.header("authorization", value);
        }
        self.read(request.call())
    }

    fn read(
        &self,
        answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let mut response = answered.map_err(|error| self.no_answer(error))?;
        let body = response.body_mut().with_config().limit(LARGEST);
        let body = body.read_to_vec().map_err(|error| self.no_answer(error))?;
        Ok((response.status().as_u16(), body))
    }

    fn judge<T: DeserializeOwned>(&self, status: u16, body: &[u8]) -> Result<T, ClientError> {
        let stranger = ClientError::Stranger {
            base: self.base.clone(),
            status,
        };
        if status == 200 {
            return serde_json::from_slice(body).map_err(|_| stranger);
        }
        match serde_json::from_slice::<Failure>(body) {
            Ok(_) if status == 401 => Err(ClientError::NeedsToken(self.base.clone())),
            Ok(Failure { error }) if error.message.contains(WEBHOOKS) => {
                Err(ClientError::Webhooks {
                    base: self.base.clone(),
                })
            }
            Ok(Failure { error }) => Err(ClientError::Refused {
                status,
                message: text::plain(&error.message),
            }),
            Err(_) => Err(stranger),
        }
    }
}

impl Api for Client {
    fn get(&self, path: &str, query: &Query) -> Result<Value, ClientError> {
        let (status, body) = self.call(path, query)?;
        self.judge(status, &body)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        request = request.header("content-type", "application/json");
        if let Some(value) = self.authorization() {
            request = request.header("authorization", value);
        }
        let (status, body) = self.read(request.send(body.to_string()))?;
        self.judge(status, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::problem::Problem;

    fn judged(status: u16, body: &str) -> Result<Value, String> {
        let client = Client::new("http://h".into(), Some(Secret::new("t0")));
        let judged = client.judge(status, body.as_bytes());
        judged.map_err(|error| error.to_string())
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(judged(200, "{}"), Ok(serde_json::json!({})));
        let failure = |message: &str| {
            serde_json::json!({"error": {"code": "x", "message": message}}).to_string()
        };
        assert_eq!(
            judged(404, &failure("there is no \u{1b}[1mx")),
            Err("there is no \\u{1b}[1mx".to_owned())
        );
        let token = judged(401, &failure("x")).expect_err("refused");
        assert!(
            token.contains("--token") && !token.contains("t0"),
            "{token}"
        );
        // In the words of the listener itself.
        let elsewhere = Problem::NotFound("/webhook".into()).to_string();
        let webhooks = judged(404, &failure(&elsewhere)).expect_err("refused");
        assert!(
            webhooks.contains("admin listener with --admin"),
            "{webhooks}"
        );
        for (status, body) in [(200, "<html>"), (302, ""), (502, "bad gateway")] {
            let stranger = judged(status, body).expect_err("no host");
            assert!(stranger.contains("isn't a hookbox"), "{stranger}");
        }
    }

    #[test]
    fn a_host_that_is_not_running_is_explained() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let client = Client::new(format!("http://{address}"), None);
        let error = client.get("/api/plugins", &Query::new());
        let error = error.expect_err("nobody is there").to_string();
        assert!(
            error.contains("is the host running? start it with `hookbox serve`"),
            "{error}"
        );
    }
}
