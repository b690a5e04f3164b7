//! The server on a socket of its own, with clients that misbehave.

use crate::house::picture;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use twinset_engine::{Engine, Options};
use twinset_server::{ServerOptions, TlsFiles, serve_on};

struct Served {
    address: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), twinset_server::ServeError>>,
    engine: Arc<Engine>,
    _home: TempDir,
}

async fn served(options: ServerOptions) -> Served {
    let home = tempfile::tempdir().expect("a folder");
    let engine = Arc::new(Engine::open(home.path(), Options::default()).expect("an engine"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(serve_on(listener, engine.clone(), options, async { drop(stopped.await) }));
    Served { address, stop, task, engine, _home: home }
}

impl Served {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        stream
    }

    /// Sends raw bytes and reads until the server closes or `enough` of the answer is there.
    async fn exchange(&self, sent: Vec<u8>, enough: &'static str) -> String {
        let mut stream = self.connect();
        tokio::task::spawn_blocking(move || {
            stream.write_all(&sent).expect("sent");
            let (mut answer, mut part) = (Vec::new(), [0; 4096]);
            loop {
                match stream.read(&mut part) {
                    Ok(0) => break,
                    Ok(n) => answer.extend(&part[..n]),
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                    Err(error) => panic!("the server kept the connection: {error}"),
                }
                if !enough.is_empty() && String::from_utf8_lossy(&answer).contains(enough) {
                    break;
                }
            }
            String::from_utf8_lossy(&answer).into_owned()
        })
        .await
        .expect("no panic")
    }

    async fn end(self) {
        self.stop.send(()).expect("it runs");
        self.task.await.expect("no panic").expect("a quiet end");
        self.engine.close();
    }
}

fn impatient() -> ServerOptions {
    ServerOptions { patience: Duration::from_millis(300), ..ServerOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stand_still_are_let_go() {
    let served = served(impatient()).await;
    // No head, half a head, an idle connection after an answer: all are closed.
    for sent in ["", "GET / HTTP/1.1\r\nhost: x\r\n", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let answer = served.exchange(sent.into(), "").await;
        assert_eq!(answer.starts_with("HTTP/1.1 200"), sent.contains("healthz"), "{sent}: {answer}");
    }
    // A body that stops is told so.
    let stopped =
        "POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: 1000\r\n\r\nabc";
    let answer = served.exchange(stopped.into(), "body_stalled").await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_stalled"), "{answer}");
    // One that is announced too large is refused before it is sent.
    let large = "POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: 99999999999\r\n\r\n";
    let answer = served.exchange(large.into(), "body_too_large").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_share_a_budget() {
    // Nobody is let go meanwhile, however slow the machine.
    let options = ServerOptions {
        body_budget_bytes: 64 << 10,
        patience: Duration::from_secs(600),
        ..ServerOptions::default()
    };
    let served = served(options).await;
    let head =
        "POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: 200000\r\n\r\n";
    let one = picture([200, 30, 30]);
    let sent = [
        format!(
            "POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: {}\r\n\r\n",
            20 << 10
        )
        .into_bytes(),
        one,
        vec![0; 20 << 10],
    ]
    .concat();
    loop {
        let mut holding = served.connect();
        holding.write_all(head.as_bytes()).expect("sent");
        holding.write_all(&vec![0; 60 << 10]).expect("sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let answer = served.exchange(sent.clone(), "\r\n\r\n").await;
        if answer.starts_with("HTTP/1.1 503") {
            assert!(answer.to_lowercase().contains("retry-after"), "{answer}");
            break;
        }
        // The bytes of the first one were still on their way: then it was the one beyond the budget. Again.
    }
    loop {
        let answer = served.exchange(sent.clone(), "\r\n\r\n").await;
        if !answer.starts_with("HTTP/1.1 503") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.end().await;
}

/// HTTP/2 without TLS, by prior knowledge: the server answers the preface with its settings.
#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_in_clear() {
    let served = served(ServerOptions::default()).await;
    let mut stream = served.connect();
    let first = tokio::task::spawn_blocking(move || {
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("sent");
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).expect("a frame");
        frame
    });
    assert_eq!(first.await.expect("no panic")[3], 4, "SETTINGS (RFC 9113, 6.5)");
    served.end().await;
}

/// TLS by configuration, with a certificate made here: both protocols are offered, and whoever does not trust it is told.
#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_the_certificate_that_was_given() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let tls = Some(TlsFiles { cert: cert.clone(), key: key.clone() });
    let served = served(ServerOptions { tls, ..impatient() }).await;
    let client = |trusts: bool, protocol: &[u8]| {
        let mut roots = RootCertStore::empty();
        if trusts {
            roots.add(made.cert.der().clone()).expect("a root");
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(config))
    };
    let connect = async |trusts: bool, protocol: &[u8]| {
        let stream = tokio::net::TcpStream::connect(served.address).await.expect("a connection");
        client(trusts, protocol).connect(ServerName::try_from("localhost").expect("a name"), stream).await
    };
    let mut stream = connect(true, b"http/1.1").await.expect("a greeting");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await; // it may end without TLS's own farewell
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("alive"), "{answer}");
    let second = connect(true, b"h2").await.expect("a greeting");
    assert_eq!(second.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    drop(second);
    assert!(connect(false, b"http/1.1").await.is_err(), "a stranger's certificate");
    // Plain HTTP, or silence, on the same port is let go and hurts nobody.
    for sent in ["", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        assert!(!served.exchange(sent.into(), "").await.starts_with("HTTP/1.1 200"));
    }
    served.end().await;

    std::fs::write(&key, "no key").expect("written");
    let home = tempfile::tempdir().expect("a folder");
    let engine = Arc::new(Engine::open(home.path(), Options::default()).expect("an engine"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let options = ServerOptions { tls: Some(TlsFiles { cert, key }), ..ServerOptions::default() };
    let refused = serve_on(listener, engine.clone(), options, std::future::pending()).await;
    let told = refused.expect_err("no key").to_string();
    assert!(told.contains("key.pem"), "{told}");
    engine.close();
}
