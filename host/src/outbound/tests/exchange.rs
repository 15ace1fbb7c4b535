use hyper::header::{HeaderName, HeaderValue};

use super::server::{Reply, Server};
use super::*;
use crate::outbound::SendError;

fn soon() -> Bounds {
    Bounds {
        total: Duration::from_millis(200),
        ..bounds()
    }
}

#[tokio::test]
async fn a_request_goes_out_as_it_is_with_what_the_connection_needs() {
    let server = Server::start(|_| Reply::status("201 Created")).await;
    let mut request = get(&server.url("/a%20b/../c?d=%7B#secret"));
    request.method = "POST".into();
    request.body = "{}".into();
    request.headers.insert("x-a", HeaderValue::from_static("1"));
    let answer = local_client(bounds())
        .send(request)
        .await
        .expect("an answer");
    assert_eq!(answer.status, 201);
    assert!(answer.drain(100).await.expect("a body"));
    let seen = server.next().await;
    assert_eq!(seen.line(), "POST /c?d=%7B HTTP/1.1");
    assert_eq!(seen.header("host"), [server.address.to_string()]);
    assert_eq!(seen.header("content-length"), ["2"]);
    assert_eq!(seen.header("x-a"), ["1"]);
    assert_eq!(seen.body, b"{}");
}

#[tokio::test]
async fn an_empty_post_has_a_length_and_a_get_has_none() {
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let client = local_client(bounds());
    for (method, length) in [("POST", vec!["0"]), ("GET", vec![])] {
        let request = Request {
            method: method.into(),
            ..get(&server.url("/"))
        };
        client.send(request).await.expect("an answer");
        assert_eq!(server.next().await.header("content-length"), length);
    }
}

#[tokio::test]
async fn redirects_are_answers() {
    let elsewhere = Server::start(|_| Reply::status("200 OK")).await;
    let location = elsewhere.url("/");
    let server = Server::start(move |_| {
        Reply::status(&format!("307 Temporary Redirect\r\nlocation: {location}"))
    })
    .await;
    let answer = local_client(bounds()).send(get(&server.url("/"))).await;
    assert_eq!(answer.expect("an answer").status, 307);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    for (start, piece) in [
        (
            "HTTP/1.1 200 OK\r\n",
            "x-filler: 0123456789012345678901234567890123456789\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nx: ",
            "01234567890123456789012345678901234567890123456789",
        ),
        (
            "",
            "no HTTP at all, but a lot of it, for as long as somebody reads it",
        ),
    ] {
        let server = Server::start(move |_| Reply::Endless(start, piece)).await;
        let error = local_client(bounds()).send(get(&server.url("/"))).await;
        assert!(matches!(error, Err(SendError::Http(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_read_up_to_the_bound() {
    let server = Server::start(|_| {
        Reply::Endless(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "a\r\n0123456789\r\n",
        )
    })
    .await;
    let answer = local_client(bounds()).send(get(&server.url("/"))).await;
    let answer = answer.expect("a head");
    assert!(!answer.drain(10_000).await.expect("no failure"));
}

#[tokio::test]
async fn time_is_bounded_for_head_and_body() {
    let silent = Server::start(|_| Reply::Silence).await;
    let error = local_client(soon()).send(get(&silent.url("/"))).await;
    assert!(matches!(error, Err(SendError::TimedOut(_))), "{error:?}");

    let stuck = Server::start(|_| {
        Reply::Bytes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n01234".to_vec())
    })
    .await;
    let answer = local_client(bounds()).send(get(&stuck.url("/"))).await;
    assert!(
        answer.expect("a head").drain(100).await.is_err(),
        "it broke off"
    );

    let endless = Server::start(|_| {
        Reply::Endless(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
        )
    })
    .await;
    let answer = local_client(soon()).send(get(&endless.url("/"))).await;
    let drained = answer.expect("a head").drain(usize::MAX).await;
    assert!(
        matches!(drained, Err(SendError::TimedOut(_))),
        "{drained:?}"
    );
}

#[tokio::test]
async fn headers_of_the_connection_are_the_hosts() {
    let server = Server::start(|_| Reply::status("200 OK")).await;
    let client = local_client(bounds());
    for name in [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "proxy-connection",
    ] {
        let name = HeaderName::from_static(name);
        let mut request = get(&server.url("/"));
        request.headers.insert(&name, HeaderValue::from_static("1"));
        let error = client.send(request).await.expect_err("refused");
        assert!(matches!(error, SendError::Header(own) if own == name));
    }
    assert_eq!(server.connections(), 0);
}
