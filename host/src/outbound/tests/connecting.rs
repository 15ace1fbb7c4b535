use super::server::{Reply, Server};
use super::*;
use crate::outbound::SendError;
use crate::outbound::connect::{CaError, ConnectError, read_ca_file};

async fn ok_server() -> Server {
    Server::start(|_| Reply::status("200 OK")).await
}

fn refused(error: &SendError) -> bool {
    matches!(error, SendError::Connect(ConnectError::Refused { .. }))
}

#[tokio::test]
async fn a_name_of_this_machine_is_closed_until_the_operator_opens_it() {
    let server = ok_server().await;
    let url = format!("http://api.example:{}/", server.address.port());
    let names = || Names::new(&[&["127.0.0.1"]]);
    let error = client(names(), &[], Vec::new(), bounds())
        .send(get(&url))
        .await
        .expect_err("closed");
    assert!(refused(&error), "{error}");
    assert_eq!(server.connections(), 0);
    let open = client(names(), &["127.0.0.0/8"], Vec::new(), bounds());
    assert_eq!(open.send(get(&url)).await.expect("open").status, 200);
}

#[tokio::test]
async fn addresses_in_the_url_are_checked_however_they_are_written() {
    let server = ok_server().await;
    let port = server.address.port();
    let nobody = Names::new(&[]);
    let client = client(Arc::clone(&nobody), &[], Vec::new(), bounds());
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0",
    ] {
        let error = client.send(get(&format!("http://{host}:{port}/"))).await;
        assert!(refused(&error.expect_err(host)), "{host}");
    }
    assert_eq!(server.connections(), 0);
    assert!(nobody.asked().is_empty());
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let server = ok_server().await;
    let url = format!("http://api.example:{}/", server.address.port());
    // Open at the first look, this machine at the second: the look that was
    // checked is the only one for a connection.
    let names = Names::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let client = client(Arc::clone(&names), &["127.0.0.1"], Vec::new(), bounds());
    assert_eq!(client.send(get(&url)).await.expect("open").status, 200);
    assert_eq!(names.asked(), ["api.example"]);
    let error = client.send(get(&url)).await.expect_err("closed now");
    assert!(refused(&error), "{error}");
    assert_eq!((names.asked().len(), server.connections()), (2, 1));
}

#[tokio::test]
async fn of_several_addresses_the_open_ones_are_tried_in_turn() {
    let server = ok_server().await;
    let url = format!("http://api.example:{}/", server.address.port());
    // 127.0.0.2 is open, but nobody listens there.
    let names = Names::new(&[&["169.254.169.254", "10.0.0.1", "127.0.0.2", "127.0.0.1"]]);
    let client = client(names, &["127.0.0.0/8"], Vec::new(), bounds());
    assert_eq!(client.send(get(&url)).await.expect("open").status, 200);
}

#[tokio::test]
async fn names_without_an_address_say_so() {
    let unknown = client(Names::new(&[]), &[], Vec::new(), bounds());
    let error = unknown
        .send(get("http://api.example/"))
        .await
        .expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "the name api.example can't be resolved: no such name"
    );
    let empty = client(Names::new(&[&[]]), &[], Vec::new(), bounds());
    let error = empty
        .send(get("http://api.example/"))
        .await
        .expect_err("empty");
    assert_eq!(error.to_string(), "the name api.example has no address");
}

#[tokio::test]
async fn tls_is_verified_for_the_name() {
    let (server, certificate) = Server::start_tls("api.example").await;
    let port = server.address.port();
    let with = |authorities| {
        client(
            Names::new(&[&["127.0.0.1"]]),
            &["127.0.0.1"],
            authorities,
            bounds(),
        )
    };
    let trusting = with(vec![certificate]);

    let answer = trusting
        .send(get(&format!("https://api.example:{port}/x")))
        .await;
    assert_eq!(answer.expect("the right name").status, 200);
    let seen = server.next().await;
    assert_eq!(seen.header("host"), [format!("api.example:{port}")]);

    for (client, url) in [
        (&trusting, format!("https://other.example:{port}/")),
        (&trusting, format!("https://127.0.0.1:{port}/")),
        (&with(Vec::new()), format!("https://api.example:{port}/")),
    ] {
        let error = client.send(get(&url)).await.expect_err("not trusted");
        let tls = matches!(error, SendError::Connect(ConnectError::Tls { .. }));
        assert!(tls, "{url}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_no_request() {
    let server = ok_server().await;
    let url = format!("https://api.example:{}/secret", server.address.port());
    let client = local_client(Bounds {
        total: Duration::from_millis(300),
        ..bounds()
    });
    // It sees a handshake that it doesn't understand, and both wait.
    let error = client.send(get(&url)).await.expect_err("no TLS there");
    assert!(matches!(error, SendError::TimedOut(_)), "{error}");
    assert_eq!(server.connections(), 1);
}

#[test]
fn authorities_are_read_from_pem() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("made");
    std::fs::write(&path, made.cert.pem()).expect("written");
    assert_eq!(
        read_ca_file(&path).expect("read"),
        [made.cert.der().clone()]
    );
    for bad in [
        "",
        "no PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        std::fs::write(&path, bad).expect("written");
        assert!(
            matches!(read_ca_file(&path), Err(CaError::Empty { .. })),
            "{bad}"
        );
    }
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(read_ca_file(&path), Err(CaError::Read { .. })));
}
