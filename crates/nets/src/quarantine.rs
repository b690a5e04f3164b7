//! Brought models are first read and run in a process of their own.
//!
//! A graph is a program of somebody else's. The engine keeps it from touching anything but its own numbers, but not
//! from asking for terabytes or for hours. [`Quarantine`] starts this program's binary again with
//! [`MODEL_WORKER_ARG`]; that process gives up the right to memory, files, processes and time before it sees the first
//! foreign byte. What kills it costs nothing else and is told as a reason.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::architecture::{MODEL, TEXT_MODEL, TOKENIZER};
use crate::brought::Take;
use crate::{Architecture, Brought, BroughtDetector, BroughtEmbedder, NetError, Package, Told, bring};

/// The hidden first argument that makes the binary such a process.
pub const MODEL_WORKER_ARG: &str = "twinset-model-worker";

/// Memory that a small model may take: with the program itself below 1 GiB.
const MEMORY_BYTES: u64 = 800 << 20;
/// The same for each byte of a large one: its file, a copy that is parsed, and the weights laid out.
const MEMORY_A_BYTE: u64 = 6;
/// Files up to here have no more than [`MEMORY_BYTES`].
const SMALL_BYTES: u64 = 64 << 20;
/// Seconds of computing.
const CPU_S: u64 = 300;
/// Longest message header in bytes.
const MAX_HEAD: u64 = 4 << 20;
/// Most bytes of one file, either way.
const MAX_PART: u64 = 2 << 30;

/// Reads brought models in processes of their own.
#[derive(Clone, Debug)]
pub struct Quarantine {
    /// The binary that becomes the worker.
    pub exe: PathBuf,
    /// By the clock on the wall.
    pub time_limit: Duration,
}

#[derive(Serialize, Deserialize)]
enum Task {
    /// Find out how a model is spoken to.
    Bring { told: Told, is_safetensors: bool },
    /// See whether a card fits its graph.
    Check { card: String },
}

#[derive(Serialize, Deserialize)]
struct Request {
    task: Task,
    memory_bytes: u64,
    parts: Vec<(String, u64)>,
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Refused(String),
    Fits,
    Package { card: String, parts: Vec<(String, u64)>, notes: Vec<String> },
}

impl Quarantine {
    /// Five minutes in the processes of `exe`.
    #[must_use]
    pub fn of(exe: PathBuf) -> Self {
        Self { exe, time_limit: Duration::from_secs(300) }
    }

    /// As [`bring`], in a process of its own.
    ///
    /// # Errors
    /// Those of [`bring`], and what the process died of.
    pub fn bring(&self, brought: Brought, told: &Told) -> Result<(Package, Vec<String>), NetError> {
        let task = Task::Bring { told: told.clone(), is_safetensors: brought.is_safetensors };
        let optional = [
            (TEXT_MODEL, brought.text),
            (TOKENIZER, brought.tokenizer),
            (CONFIG, brought.config),
            (PREPROCESSOR, brought.preprocessor),
        ];
        let parts = std::iter::once((MODEL, brought.model))
            .chain(optional.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))))
            .collect();
        match self.ask(task, parts)? {
            (Reply::Package { card, notes, .. }, parts) => {
                let parts = parts.into_iter().filter_map(|(name, bytes)| Some((known(&name)?, bytes)));
                Ok((Package::from_files(card.as_bytes(), parts.collect())?, notes))
            }
            _ => Err(died("it did not answer what was asked")),
        }
    }

    /// Runs a brought package as it will be run, in a process of its own. One of ours needs no such check.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, package: &Package) -> Result<(), NetError> {
        if !package.is_brought() {
            return Ok(());
        }
        let card = String::from_utf8_lossy(package.card_json()).into_owned();
        let names = package.architecture().files().iter();
        let parts = names.filter_map(|&name| Some((name, package.file(name)?.to_vec()))).collect();
        self.ask(Task::Check { card }, parts).map(|_| ())
    }

    fn ask(
        &self,
        task: Task,
        parts: Vec<(&'static str, Vec<u8>)>,
    ) -> Result<(Reply, Vec<(String, Vec<u8>)>), NetError> {
        let bytes: u64 = parts.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let large = if bytes > SMALL_BYTES { bytes * MEMORY_A_BYTE } else { 0 };
        let memory_bytes = MEMORY_BYTES + large;
        let mut child = Command::new(&self.exe)
            .arg(MODEL_WORKER_ARG)
            // One thread and one heap: what many would reserve counts as memory.
            .envs([("RTEN_NUM_THREADS", "1"), ("RAYON_NUM_THREADS", "1"), ("MALLOC_ARENA_MAX", "1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| died(&format!("{} cannot be started: {e}", self.exe.display())))?;
        let head = Request {
            task,
            memory_bytes,
            parts: parts.iter().map(|(name, bytes)| ((*name).into(), bytes.len() as u64)).collect(),
        };
        let (Some(mut to), Some(mut from), Some(mut words)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(died("it has no pipes"));
        };
        // A worker that stops reading must not stop us; its end closes the pipe.
        let writer = std::thread::spawn(move || {
            let _ = write_message(&mut to, &head, parts.iter().map(|(_, bytes)| &bytes[..]));
        });
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let answer = read_message::<Reply>(&mut from);
            let mut said = String::new();
            let _ = words.by_ref().take(1 << 16).read_to_string(&mut said);
            let _ = tell.send((answer, said));
        });
        let answer = told.recv_timeout(self.time_limit);
        let stopped = answer.is_err();
        let status = end(&mut child, stopped);
        let _ = writer.join();
        match answer {
            Err(_) => Err(died(&format!("it took more than {} s", self.time_limit.as_secs()))),
            Ok((Ok((Reply::Refused(reason), _)), _)) => Err(NetError::Refused(reason)),
            Ok((Ok(answer), _)) => Ok(answer),
            Ok((Err(_), said)) if said.contains("memory allocation") => {
                Err(died(&format!("it asked for more than {} MiB of memory", memory_bytes >> 20)))
            }
            Ok((Err(_), _)) => Err(died(&status)),
        }
    }
}

const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

fn known(name: &str) -> Option<&'static str> {
    [MODEL, TEXT_MODEL, TOKENIZER].into_iter().find(|known| *known == name)
}

fn died(how: &str) -> NetError {
    NetError::Refused(format!("reading it ended its process: {how}"))
}

/// Waits for the worker, or kills it; how it ended in words.
fn end(child: &mut Child, stopped: bool) -> String {
    if stopped {
        // Already gone is as good.
        let _ = child.kill();
    }
    match child.wait() {
        #[cfg(unix)]
        Ok(status) => {
            use std::os::unix::process::ExitStatusExt;
            match status.signal() {
                Some(24) => format!("it computed for more than {CPU_S} s"),
                Some(11) => "it went deeper than its stack, or beyond its memory".into(),
                Some(signal) => format!("signal {signal}"),
                None => status.to_string(),
            }
        }
        #[cfg(not(unix))]
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// The whole life of a worker: call it first in `main` when the first argument is [`MODEL_WORKER_ARG`].
pub fn model_worker_main() -> ! {
    std::panic::set_hook(Box::new(|_| {}));
    std::process::exit(i32::from(work().is_err()))
}

fn work() -> io::Result<()> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let head: Request = read_head(&mut from)?;
    // Threads are started while they may be.
    twinset_brought::warm_up();
    twinset_photo::worker::confine(head.memory_bytes, CPU_S)?;
    let parts = read_parts(&mut from, head.parts)?;
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| perform(head.task, parts)));
    let refused = |reason: String| (Reply::Refused(reason), Vec::new());
    let (reply, parts) = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => refused(error.to_string()),
        Err(_) => refused("reading it broke an assertion".into()),
    };
    write_message(&mut to, &reply, parts.iter().map(|bytes| &bytes[..]))
}

fn perform(task: Task, parts: Vec<(String, Vec<u8>)>) -> Result<(Reply, Vec<Vec<u8>>), NetError> {
    match task {
        Task::Bring { told, is_safetensors } => {
            let mut brought = Brought { is_safetensors, ..Brought::default() };
            for (name, bytes) in parts {
                match name.as_str() {
                    MODEL => brought.model = bytes,
                    TEXT_MODEL => brought.text = Some(bytes),
                    TOKENIZER => brought.tokenizer = Some(bytes),
                    CONFIG => brought.config = Some(bytes),
                    PREPROCESSOR => brought.preprocessor = Some(bytes),
                    other => return Err(NetError::Unusable(format!("{other} is no part of a model"))),
                }
            }
            let (package, notes) = bring(brought, &told)?;
            run(&package)?;
            let card = String::from_utf8_lossy(package.card_json()).into_owned();
            let names = package.architecture().files();
            let files: Vec<(String, Vec<u8>)> =
                names.iter().filter_map(|&name| Some((name.into(), package.file(name)?.to_vec()))).collect();
            let parts = files.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
            Ok((Reply::Package { card, parts, notes }, files.into_iter().map(|(_, bytes)| bytes).collect()))
        }
        Task::Check { card } => {
            let parts = parts.into_iter().filter_map(|(name, bytes)| Some((known(&name)?, bytes)));
            run(&Package::from_files(card.as_bytes(), parts.collect())?)?;
            Ok((Reply::Fits, Vec::new()))
        }
    }
}

/// As it will be run, in the engine that is always there.
fn run(package: &Package) -> Result<(), NetError> {
    match package.architecture() {
        Architecture::OnnxEmbedder(_) => BroughtEmbedder::open(package, Take::Rten).map(|_| ()),
        Architecture::OnnxDetector(_) => BroughtDetector::open(package, Take::Rten).map(|_| ()),
        Architecture::RepVggLite(_) | Architecture::GflLite(_) => Ok(()),
    }
}

/// A head tells which parts follow it.
trait Head: Serialize + for<'a> Deserialize<'a> {
    fn parts(&self) -> Vec<(String, u64)>;
}

impl Head for Reply {
    fn parts(&self) -> Vec<(String, u64)> {
        match self {
            Self::Package { parts, .. } => parts.clone(),
            Self::Refused(_) | Self::Fits => Vec::new(),
        }
    }
}

fn write_message<'a>(
    to: &mut impl Write,
    head: &impl Serialize,
    parts: impl Iterator<Item = &'a [u8]>,
) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    to.write_all(&(head.len() as u64).to_le_bytes())?;
    to.write_all(&head)?;
    for part in parts {
        to.write_all(part)?;
    }
    to.flush()
}

fn read_message<T: Head>(from: &mut impl Read) -> io::Result<(T, Vec<(String, Vec<u8>)>)> {
    let head: T = read_head(from)?;
    let parts = read_parts(from, head.parts())?;
    Ok((head, parts))
}

fn read_head<T: for<'a> Deserialize<'a>>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEAD {
        return Err(io::Error::other("a head that is too long"));
    }
    let mut head = Vec::new();
    from.take(length).read_to_end(&mut head)?;
    Ok(serde_json::from_slice(&head)?)
}

fn read_parts(from: &mut impl Read, parts: Vec<(String, u64)>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut read = Vec::new();
    for (name, length) in parts {
        if length > MAX_PART {
            return Err(io::Error::other("a part that is too long"));
        }
        let mut bytes = Vec::new();
        from.take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.push((name, bytes));
    }
    Ok(read)
}
