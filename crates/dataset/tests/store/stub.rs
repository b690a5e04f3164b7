//! As much of S3 as a reader asks for, on loopback: HEAD, GET with ranges and `if-match`, a list of one prefix.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the store misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(dead_code)]
pub(crate) enum Mood {
    #[default]
    Sound,
    /// Every answer to this many GETs breaks off in its middle.
    Breaks(usize),
    /// Nobody may read.
    Forbids,
}

#[derive(Default)]
struct Inside {
    objects: BTreeMap<String, Vec<u8>>,
    mood: Mood,
    /// `METHOD KEY RANGE` of every request.
    asked: Vec<String>,
}

/// One bucket called `shop`.
#[derive(Clone)]
pub(crate) struct Stub {
    inside: Arc<Mutex<Inside>>,
    pub(crate) address: String,
}

impl Stub {
    pub(crate) fn start(objects: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stub = Self { inside: Arc::new(Mutex::new(Inside { objects, ..Inside::default() })), address };
        let serving = stub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let serving = serving.clone();
                // A client that goes away is none of the stub's business.
                std::thread::spawn(move || drop(serving.serve(stream)));
            }
        });
        stub
    }

    /// What `object_store` reads from the environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", self.address.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "nowhere-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.inside.lock().unwrap().mood = mood;
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.inside.lock().unwrap().asked)
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?);
        loop {
            let mut head = String::new();
            while lines.read_line(&mut head)? > 2 {}
            if head.is_empty() {
                return Ok(());
            }
            if !self.answer(&head, &stream)? {
                return Ok(());
            }
        }
    }

    /// `false`: the connection ends here.
    fn answer(&self, head: &str, mut to: &TcpStream) -> std::io::Result<bool> {
        let mut first = head.split_whitespace();
        let (method, target) = (first.next().unwrap_or(""), first.next().unwrap_or(""));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |name: &str| {
            head.lines().find_map(|l| {
                let (key, value) = l.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        assert!(header("authorization").is_some_and(|a| a.starts_with("AWS4-HMAC-SHA256")), "{head}");
        let (bucket, key) =
            path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
        let mut inside = self.inside.lock().unwrap();
        inside
            .asked
            .push(format!("{method} {key} {}", header("range").unwrap_or_default()).trim().to_owned());
        let mut say = |status: &str, more: &str, body: &[u8]| {
            let sent = if method == "HEAD" { &[][..] } else { body };
            write!(to, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n", body.len())?;
            to.write_all(sent)
        };
        let xml =
            |code: &str| format!("<Error><Code>{code}</Code><Message>no</Message></Error>").into_bytes();
        if bucket != "shop" {
            say("404 Not Found", "", &xml("NoSuchBucket"))?;
        } else if inside.mood == Mood::Forbids {
            say("403 Forbidden", "", &xml("AccessDenied"))?;
        } else if key.is_empty() {
            let prefix =
                query.split('&').find_map(|p| p.strip_prefix("prefix=")).unwrap_or("").replace("%2F", "/");
            let inner = inside.objects.iter().filter_map(|(key, bytes)| {
                let below = key.strip_prefix(&prefix).filter(|below| !below.contains('/'))?;
                (!below.is_empty()).then(|| {
                    format!(
                        "<Contents><Key>{key}</Key><LastModified>2026-11-25T00:00:00.000Z</LastModified>\
                         <ETag>\"e\"</ETag><Size>{}</Size></Contents>",
                        bytes.len()
                    )
                })
            });
            let list = format!(
                "<ListBucketResult><Name>shop</Name><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
                inner.collect::<String>()
            );
            say("200 OK", "content-type: application/xml\r\n", list.as_bytes())?;
        } else if let Some(bytes) = inside.objects.get(key).cloned() {
            let tag = format!(
                "etag: \"{}\"\r\nlast-modified: Wed, 25 Nov 2026 00:00:00 GMT\r\naccept-ranges: bytes\r\n",
                bytes.len()
            );
            let range = header("range").and_then(|r| {
                let (from, to) = r.strip_prefix("bytes=")?.split_once('-')?;
                Some((from.parse::<usize>().ok()?, to.parse::<usize>().map_or(bytes.len(), |t| t + 1)))
            });
            let broken = match &mut inside.mood {
                Mood::Breaks(left) if method == "GET" && *left > 0 => {
                    *left -= 1;
                    true
                }
                _ => false,
            };
            drop(inside);
            let (status, more, part) = match range {
                Some((from, to)) => {
                    let to = to.min(bytes.len());
                    let range = format!("content-range: bytes {from}-{}/{}\r\n", to - 1, bytes.len());
                    ("206 Partial Content", tag + &range, &bytes[from..to])
                }
                None => ("200 OK", tag, &bytes[..]),
            };
            if broken {
                write!(to, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n", part.len())?;
                to.write_all(&part[..part.len() / 2])?;
                to.shutdown(std::net::Shutdown::Both)?;
                return Ok(false);
            }
            say(status, &more, part)?;
        } else {
            say("404 Not Found", "", &xml("NoSuchKey"))?;
        }
        Ok(true)
    }
}

/// All files of a folder, below `prefix`.
pub(crate) fn objects(dir: &std::path::Path, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let mut objects = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().filter_map(Result::ok).filter(|e| e.path().is_file()) {
        let mut bytes = Vec::new();
        std::fs::File::open(entry.path()).unwrap().read_to_end(&mut bytes).unwrap();
        objects.insert(format!("{prefix}{}", entry.file_name().to_string_lossy()), bytes);
    }
    objects
}
