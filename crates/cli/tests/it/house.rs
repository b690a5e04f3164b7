//! A home in a temporary folder, pictures from the generator, and the binary.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use twinset_synth::{catalogue_product, query_photo};

/// Seed of everything drawn here.
const SEED: u64 = 7;

/// Removed when dropped.
pub(crate) struct House {
    folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, its folders too.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `pictures/PRODUCT/NAME.jpg`: what a shop has on its disk.
    pub(crate) fn pictures(&self, products: u64) -> PathBuf {
        for index in 0..products {
            let entry = catalogue_product(SEED, index);
            for (name, bytes) in entry.pictures {
                self.write(&format!("pictures/{}/{name}.jpg", entry.id), bytes);
            }
        }
        self.path("pictures")
    }

    /// A messy photo of product `index`.
    pub(crate) fn photo(&self, index: u64) -> PathBuf {
        self.write(&format!("photo-{index}.jpg"), query_photo(SEED, index))
    }

    /// The binary on this home.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twinset"));
        command.args(args).arg("--home").arg(self.path("home"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        Answer(self.command(args).output().unwrap())
    }

    /// A server or a demo, with its address.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    /// As [`Self::start`], with more in its environment.
    pub(crate) fn start_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Running {
        use std::io::BufRead;
        let mut command = self.command(args);
        command.envs(environment.iter().copied()).args(["--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        let address = said["address"].as_str().unwrap().trim_start_matches("http://");
        Running { address: address.trim_end_matches('/').to_owned(), child }
    }
}

/// How a command ended.
pub(crate) struct Answer(Output);

impl Answer {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }
    /// Checks the exit status.
    #[track_caller]
    pub(crate) fn ended(self, status: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(status), "{}\n{}", self.stdout(), self.stderr());
        self
    }
    /// The one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout()))
    }
}

/// Ended when dropped.
pub(crate) struct Running {
    pub(crate) address: String,
    child: Child,
}

impl Running {
    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Status and body of any request; `None` if the server is gone.
    pub(crate) fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<(u16, String)> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&self.address).ok()?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// As the power goes: no time to save anything.
    pub(crate) fn kill_now(&self) {
        signal(&self.child, "KILL");
    }

    /// Asks it to end, as a service manager does; gives its exit status.
    pub(crate) fn stop(mut self) -> Option<i32> {
        signal(&self.child, "TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone after `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `kill -SIGNAL`.
pub(crate) fn signal(child: &Child, signal: &str) {
    let done = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(done.unwrap().success());
}

/// As an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
