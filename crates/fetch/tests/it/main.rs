//! The fetcher against servers on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use twinset_fetch::{FetchError, Fetcher, Policy, Reply, Validators};

/// A server that answers each request by what `answer` makes of its path and headers.
struct Server {
    address: String,
    asked: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

fn serve(answer: impl Fn(&str, &str, usize) -> String + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, at_once, most) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Server { address, asked: asked.clone(), most_at_once: most.clone() };
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answer, asked, at_once, most) =
                (answer.clone(), asked.clone(), at_once.clone(), most.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some((path, headers)) = request(&mut reader) {
                    let n = asked.fetch_add(1, Ordering::SeqCst);
                    most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let text = answer(&path, &headers, n);
                    at_once.fetch_sub(1, Ordering::SeqCst);
                    if (&stream).write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    server
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line.to_lowercase());
    }
    let path = head.split_whitespace().nth(1)?.to_owned();
    Some((path, head))
}

fn ok(body: &str, more: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len())
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

fn policy() -> Policy {
    Policy {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        backoff: Duration::from_millis(5),
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(5),
        ..Policy::default()
    }
}

fn get(fetcher: &Fetcher, url: &str) -> Result<String, FetchError> {
    let found = fetcher.get_bytes(url, &Validators::default(), 1000, Duration::from_secs(10), &|| false)?;
    Ok(found.map(|(bytes, _)| String::from_utf8(bytes).unwrap()).unwrap_or_default())
}

#[test]
fn private_addresses_are_refused_in_every_writing() {
    let server = serve(|_, _, _| ok("secret", ""));
    let strict = Fetcher::new(Policy { retries: 0, ..Policy { allow: Vec::new(), ..policy() } });
    let port = server.address.rsplit(':').next().unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0",
        "169.254.169.254",
        "10.0.0.1",
        "[fe80::1]",
        "[fd00::1]",
        "192.168.0.1",
        "①②⑦.0.0.1",
    ] {
        let error = get(&strict, &format!("http://{host}:{port}/")).unwrap_err();
        assert!(
            matches!(
                error,
                FetchError::NotPublic { .. } | FetchError::BadAddress { .. } | FetchError::Network(_)
            ),
            "{host}: {error:?}"
        );
    }
    for url in [
        "file:///etc/passwd",
        "ftp://a.example/x",
        "gopher://a.example/",
        "http://user:pass@a.example/",
        "http://",
        "//a.example",
        "x",
    ] {
        assert!(matches!(get(&strict, url), Err(FetchError::BadAddress { .. })), "{url}");
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 0, "not one connection was made");
}

#[test]
fn every_redirect_is_looked_at_again() {
    let inner = serve(|_, _, _| ok("secret", ""));
    let port = inner.address.rsplit(':').next().unwrap().to_owned();
    let outer = serve(move |path, _, _| match path {
        "/in" => redirect(&format!("http://127.0.0.2:{port}/")),
        "/meta" => redirect("http://169.254.169.254/latest"),
        "/file" => redirect("file:///etc/passwd"),
        "/round" => redirect("/round"),
        "/once" => redirect("there?x=1"),
        _ => ok("found", ""),
    });
    // Only this one address is allowed, so 127.0.0.2 stands for the private network.
    let fetcher = Fetcher::new(Policy { allow: vec!["127.0.0.1".parse().unwrap()], retries: 0, ..policy() });
    assert_eq!(get(&fetcher, &format!("{}/once", outer.address)).unwrap(), "found");
    for path in ["/in", "/meta"] {
        assert!(
            matches!(get(&fetcher, &format!("{}{path}", outer.address)), Err(FetchError::NotPublic { .. })),
            "{path}"
        );
    }
    assert!(matches!(get(&fetcher, &format!("{}/file", outer.address)), Err(FetchError::BadAddress { .. })));
    assert!(matches!(
        get(&fetcher, &format!("{}/round", outer.address)),
        Err(FetchError::TooManyRedirects { most: 5 })
    ));
    assert_eq!(inner.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let server = serve(|_, headers, _| {
        if headers.contains("if-none-match: \"v1\"") && headers.contains("if-modified-since:") {
            "HTTP/1.1 304 Not Modified\r\n\r\n".into()
        } else {
            ok(
                "body",
                "etag: \"v1\"\r\nlast-modified: Mon, 02 Mar 2026 09:00:00 GMT\r\ncontent-type: image/png\r\n",
            )
        }
    });
    let fetcher = Fetcher::new(policy());
    let Reply::Body(body) = fetcher.get(&server.address, &Validators::default(), 1000, &|| false).unwrap()
    else {
        panic!("a body")
    };
    assert_eq!((body.content_type.as_str(), body.validators.etag.as_deref()), ("image/png", Some("\"v1\"")));
    assert!(matches!(
        fetcher.get(&server.address, &body.validators, 1000, &|| false),
        Ok(Reply::NotModified)
    ));
}

#[test]
fn limits_hold_whether_announced_or_not() {
    let server = serve(|path, _, _| match path {
        "/told" => ok(&"x".repeat(2000), ""),
        _ => format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(1 << 20)),
    });
    let fetcher = Fetcher::new(policy());
    for path in ["/told", "/untold"] {
        let error = get(&fetcher, &format!("{}{path}", server.address)).unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { most: 1000 }), "{path}: {error:?}");
    }
}

#[test]
fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
    let server = serve(|path, _, n| match (path, n) {
        ("/busy", 0) => "HTTP/1.1 429 Too Many\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".into(),
        ("/busy", 1) => "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".into(),
        ("/busy", _) => ok("at last", ""),
        _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into(),
    });
    let fetcher = Fetcher::new(policy());
    assert_eq!(get(&fetcher, &format!("{}/busy", server.address)).unwrap(), "at last");
    assert_eq!(server.asked.load(Ordering::SeqCst), 3);
    assert!(matches!(
        get(&fetcher, &format!("{}/none", server.address)),
        Err(FetchError::Status { status: 404 })
    ));
    assert_eq!(server.asked.load(Ordering::SeqCst), 4);
}

#[test]
fn a_dead_host_is_given_up_and_others_are_not() {
    let dead = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let server = serve(|_, _, _| ok("alive", ""));
    // By name, so that the two are different hosts.
    let alive = server.address.replace("127.0.0.1", "localhost");
    let fetcher = Fetcher::new(policy());
    let mut last = None;
    for _ in 0..4 {
        last = get(&fetcher, &format!("http://{dead}/")).err();
    }
    assert!(matches!(last, Some(FetchError::GivenUp { .. })), "{last:?}");
    assert_eq!(get(&fetcher, &alive).unwrap(), "alive");
}

#[test]
fn one_host_gets_so_many_requests_at_a_time() {
    let server = serve(|_, _, _| {
        std::thread::sleep(Duration::from_millis(20));
        ok("x", "")
    });
    let fetcher = Fetcher::new(Policy { per_host: 2, ..policy() });
    std::thread::scope(|scope| {
        (0..8).for_each(|_| _ = scope.spawn(|| get(&fetcher, &server.address).unwrap()));
    });
    assert_eq!(server.asked.load(Ordering::SeqCst), 8);
    assert!(server.most_at_once.load(Ordering::SeqCst) <= 2);
    assert!(matches!(
        fetcher.get(&server.address, &Validators::default(), 10, &|| true),
        Err(FetchError::Stopped)
    ));
}
