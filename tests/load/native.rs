//! The native peer: verifies, parses and answers; stores and sandboxes nothing.
//! What the host could cost at least.

use std::error::Error;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use crate::client::SECRET;

#[derive(Deserialize)]
struct Envelope {
    event_type: String,
    data: Chat,
}

#[derive(Deserialize)]
struct Chat {
    message: String,
    session_id: String,
}

pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?);
            let router = Router::new().route("/webhook", post(webhook));
            axum::serve(listener, router).await?;
            Ok(())
        })
}

async fn webhook(headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    if !verified(&headers, &body) {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::CONTENT_TYPE, "text/plain")],
            "no",
        );
    }
    let fits = serde_json::from_slice::<Envelope>(&body).is_ok_and(|envelope| {
        envelope.event_type == "chat.push"
            && !envelope.data.message.is_empty()
            && !envelope.data.session_id.is_empty()
    });
    let status = if fits {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    };
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        r#"{"status":"ok"}"#,
    )
}

fn verified(headers: &HeaderMap, body: &[u8]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
    mac.update(body);
    let tag = mac.finalize().into_bytes();
    let expected: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    headers
        .get("x-bithuman-signature")
        .and_then(|value| value.as_bytes().strip_prefix(b"sha256="))
        .is_some_and(|hex| bool::from(subtle::ConstantTimeEq::ct_eq(hex, expected.as_bytes())))
}
