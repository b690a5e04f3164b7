//! The server's side: keeps workers, hands them pictures, stops and replaces them.

use super::frame::{Answer, Confinement, Request, read_frame, write_frame};
use super::process::WORKER_ARG;
use crate::decode::Header;
use crate::{Decoded, Limits, Photo, PhotoError, probe};
use parking_lot::{Condvar, Mutex};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a [`DecodePool`] works.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Processes, and so pictures decoded at once. They start when first needed.
    pub workers: usize,
    /// Of each picture.
    pub limits: Limits,
    /// For one picture, from sending it to having its pixels. Then its worker is killed. Where the system tells (Linux),
    /// the time that the worker stands in line for a core does not count, up to five times the limit in all: a busy
    /// machine makes no picture too large.
    pub time_limit: Duration,
    /// Callers that may wait for a worker; further ones are told [`PhotoError::Busy`].
    pub max_waiting: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { workers: 1, limits: Limits::default(), time_limit: Duration::from_secs(2), max_waiting: 64 }
    }
}

/// On a busy machine a picture may take so many times its time.
const MOST_TIMES: u32 = 5;
/// Starting a worker means loading the binary, perhaps from a slow disk.
const START_LIMIT: Duration = Duration::from_secs(20);
/// A worker that was busy this long is replaced, so that the limit on its computing time can be
/// small enough to stop one whose pool has died.
const WORKER_LIFE: Duration = Duration::from_secs(60);
/// Beyond what a picture may take: allocator, colour tables, stack.
const SPARE_MEMORY_BYTES: u64 = 64 << 20;

/// A few limited processes that decode pictures. Share it by reference; every call blocks until its
/// picture is done.
pub struct DecodePool {
    exe: PathBuf,
    settings: PoolSettings,
    crew: Mutex<Crew>,
    freed: Condvar,
    watch: Arc<Watch>,
    watchdog: Option<JoinHandle<()>>,
    lost: AtomicU64,
}

#[derive(Default)]
struct Crew {
    idle: Vec<Worker>,
    /// Idle, busy and starting.
    size: usize,
    waiting: usize,
}

impl DecodePool {
    /// Starts `exe` (usually [`this_exe`]) as `workers` processes when they are needed, the first one
    /// now, with the other settings at their defaults.
    ///
    /// # Errors
    /// [`PhotoError::NoWorker`] if `exe` cannot be started or does not become a worker.
    pub fn start(exe: &Path, workers: usize, limits: Limits) -> Result<Self, PhotoError> {
        Self::start_with(exe, PoolSettings { workers, limits, ..PoolSettings::default() })
    }

    /// As [`start`](Self::start).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(exe: &Path, settings: PoolSettings) -> Result<Self, PhotoError> {
        let settings = PoolSettings { workers: settings.workers.max(1), ..settings };
        let watch = Arc::new(Watch::default());
        let watchdog = std::thread::Builder::new()
            .name("decode-watchdog".into())
            .spawn({
                let watch = Arc::clone(&watch);
                move || watch.run()
            })
            .map_err(no_worker)?;
        let pool = Self {
            exe: exe.into(),
            settings,
            crew: Mutex::default(),
            freed: Condvar::new(),
            watch,
            watchdog: Some(watchdog),
            lost: AtomicU64::new(0),
        };
        // A wrong binary shows now, not at the first customer's photo.
        let first = pool.take_worker()?;
        pool.give_back(Some(first));
        Ok(pool)
    }

    /// As [`decode`](crate::decode()), in a worker.
    ///
    /// # Errors
    /// Those of [`decode`](crate::decode()); [`PhotoError::TimedOut`], [`PhotoError::Starved`],
    /// [`PhotoError::WorkerDied`], [`PhotoError::Busy`], [`PhotoError::NoWorker`].
    pub fn decode(&self, bytes: &[u8]) -> Result<Decoded, PhotoError> {
        self.ask(bytes, None)
    }

    /// As [`decode_reduced`](crate::decode_reduced), in a worker.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_reduced(&self, bytes: &[u8], longer_side_px: u32) -> Result<Decoded, PhotoError> {
        self.ask(bytes, Some(longer_side_px))
    }

    /// The limits every picture must keep.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// Workers that died or were killed over a picture since the start.
    #[must_use]
    pub fn lost_workers(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn ask(&self, bytes: &[u8], longer_side_px: Option<u32>) -> Result<Decoded, PhotoError> {
        let limits = self.settings.limits;
        let header = probe(bytes, &limits)?;
        let mut worker = self.take_worker()?;
        let began = Instant::now();
        let watched = self.watch.begin(&worker, self.settings.time_limit, MOST_TIMES);
        let answer = worker.ask(&Request { limits, longer_side_px }, bytes, header);
        let killed = self.watch.end(watched);
        let took = began.elapsed();
        worker.busy += took;

        let failed = answer.is_err();
        let answer = answer.unwrap_or_else(|error| {
            let how = worker.ended(&error);
            let limit_ms = self.settings.time_limit.as_millis() as u64;
            Err(match killed {
                None => PhotoError::WorkerDied { how },
                Some(Killed::Slow) => PhotoError::TimedOut { limit_ms },
                Some(Killed::Starved) => PhotoError::Starved { waited_ms: took.as_millis() as u64, limit_ms },
            })
        });
        if failed || killed.is_some() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        let spent = failed || killed.is_some() || worker.busy > WORKER_LIFE;
        self.give_back(Some(worker).filter(|_| !spent));
        answer
    }

    /// An idle worker, a new one, or the next one that is freed.
    fn take_worker(&self) -> Result<Worker, PhotoError> {
        let mut crew = self.crew.lock();
        loop {
            if let Some(worker) = crew.idle.pop() {
                if worker.is_alive() {
                    return Ok(worker);
                }
                crew.size -= 1;
            } else if crew.size < self.settings.workers {
                crew.size += 1;
                drop(crew);
                let started = self.start_worker();
                if started.is_err() {
                    self.give_back(None);
                }
                return started;
            } else if crew.waiting >= self.settings.max_waiting {
                return Err(PhotoError::Busy { waiting: crew.waiting });
            } else {
                crew.waiting += 1;
                self.freed.wait(&mut crew);
                crew.waiting -= 1;
            }
        }
    }

    /// Makes room for the next caller; without a worker, for one to be started.
    fn give_back(&self, worker: Option<Worker>) {
        let mut crew = self.crew.lock();
        match worker {
            Some(worker) => crew.idle.push(worker),
            None => crew.size -= 1,
        }
        drop(crew);
        self.freed.notify_one();
    }

    fn start_worker(&self) -> Result<Worker, PhotoError> {
        let limits = &self.settings.limits;
        let confinement = Confinement {
            max_bytes: limits.max_bytes,
            memory_bytes: limits
                .max_memory_bytes
                .saturating_add(limits.max_bytes)
                .saturating_add(SPARE_MEMORY_BYTES),
            cpu_s: (WORKER_LIFE + self.settings.time_limit * (MOST_TIMES + 1)).as_secs() + 1,
        };
        let mut worker = Worker::spawn(&self.exe).map_err(no_worker)?;
        let watched = self.watch.begin(&worker, START_LIMIT, 1);
        let ready = write_frame(&mut worker.to, &confinement, &[])
            .and_then(|()| read_frame::<Answer>(&mut worker.from, 0));
        self.watch.end(watched);
        match ready {
            Ok((Answer::Ready, _)) => Ok(worker),
            Ok((answer, _)) => Err(no_worker(format!("it began with {answer:?}"))),
            Err(error) => {
                let how = worker.ended(&error);
                Err(no_worker(format!("{} did not become one ({how})", self.exe.display())))
            }
        }
    }
}

impl Drop for DecodePool {
    fn drop(&mut self) {
        self.watch.close();
        if let Some(watchdog) = self.watchdog.take() {
            // It cannot have panicked: it only waits and kills.
            let _ = watchdog.join();
        }
    }
}

fn no_worker(what: impl ToString) -> PhotoError {
    PhotoError::NoWorker { what: what.to_string() }
}

/// The running program's own binary, the same one even after its file was replaced by an update.
///
/// # Errors
/// As [`std::env::current_exe`].
pub fn this_exe() -> io::Result<PathBuf> {
    let held = Path::new("/proc/self/exe");
    if held.exists() { Ok(held.into()) } else { std::env::current_exe() }
}

/// Lets a pipe hold a megabyte, the most that Linux allows everyone: with the usual 64 KiB the two
/// processes would have to take turns 46 times for the pixels of a megapixel.
#[cfg(target_os = "linux")]
fn widen(pipe: &impl std::os::fd::AsFd) {
    // Where even that is too much, a narrow pipe works as well.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
}

#[cfg(not(target_os = "linux"))]
fn widen<P>(_: &P) {}

/// One process and the two ends to speak to it. Dropped, it is killed.
struct Worker {
    child: Arc<Mutex<Child>>,
    to: ChildStdin,
    from: ChildStdout,
    busy: Duration,
}

impl Worker {
    fn spawn(exe: &Path) -> io::Result<Self> {
        let mut command = Command::new(exe);
        command.arg(WORKER_ARG).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // Environments hold keys and passwords, and a decoder needs nothing from there. In a
            // group of its own, Ctrl-C reaches the program and not the picture in the middle of it.
            command.env_clear().process_group(0);
        }
        let mut child = command.spawn()?;
        let ends = child.stdin.take().zip(child.stdout.take());
        let (to, from) = ends.ok_or_else(|| io::Error::other("its pipes are missing"))?;
        widen(&to);
        widen(&from);
        Ok(Self { child: Arc::new(Mutex::new(child)), to, from, busy: Duration::ZERO })
    }

    fn is_alive(&self) -> bool {
        matches!(self.child.lock().try_wait(), Ok(None))
    }

    /// The outer error: the worker is lost. The inner one: it answered so.
    fn ask(
        &mut self,
        request: &Request,
        bytes: &[u8],
        header: Header,
    ) -> io::Result<Result<Decoded, PhotoError>> {
        write_frame(&mut self.to, request, bytes)?;
        let most = u64::from(header.width) * u64::from(header.height) * 3;
        let (answer, rgb) = read_frame::<Answer>(&mut self.from, most)?;
        match answer {
            Answer::Refused(error) => Ok(Err(error)),
            Answer::Photo { width, height, full_width, full_height }
                if (full_width, full_height) == (header.width, header.height)
                    && !rgb.is_empty()
                    && rgb.len() as u64 == u64::from(width) * u64::from(height) * 3 =>
            {
                Ok(Ok(Decoded { photo: Photo::new(width, height, rgb), full_width, full_height }))
            }
            other => {
                let what = format!("an answer that does not fit the picture: {other:?}");
                Err(io::Error::new(ErrorKind::InvalidData, what))
            }
        }
    }

    /// Makes sure of the end of a worker that `error` came from, and says how it ended.
    fn ended(&mut self, error: &io::Error) -> String {
        let mut child = self.child.lock();
        // One that has ended keeps the status it ended with.
        let _ = child.kill();
        match (child.wait(), error.kind()) {
            (Ok(status), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => status.to_string(),
            _ => error.to_string(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut child = self.child.lock();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Kills workers that outstay their time. One thread for all of them, because the callers' own
/// threads are blocked in reading.
#[derive(Default)]
struct Watch {
    list: Mutex<WatchList>,
    changed: Condvar,
}

#[derive(Default)]
struct WatchList {
    busy: Vec<Watched>,
    next_id: u64,
    closing: bool,
}

struct Watched {
    id: u64,
    began: Instant,
    limit: Duration,
    /// Times the limit, at most, that it may take in all.
    times: u32,
    /// `limit` from the beginning, later as it stood in line.
    deadline: Instant,
    child: Arc<Mutex<Child>>,
    /// Time that it had stood in line when it began.
    in_line: Duration,
    killed: Option<Killed>,
}

/// Why a worker was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    /// It had its time.
    Slow,
    /// It had not, and was waited for long enough.
    Starved,
}

impl Watched {
    /// At its deadline: a later one, or why there is none.
    fn judge(&self, now: Instant) -> Result<Instant, Killed> {
        let stood = in_line(self.child.lock().id()).saturating_sub(self.in_line);
        let own = self.began + self.limit + stood;
        let last = self.began + self.limit * self.times;
        match () {
            () if own <= now => Err(Killed::Slow),
            () if last <= now => Err(Killed::Starved),
            () => Ok(own.min(last)),
        }
    }
}

/// How long a process has stood in line for a core since it began: the second number of `/proc/PID/schedstat`, in
/// nanoseconds (Documentation/scheduler/sched-stats.rst of Linux). Of its first thread, and a worker has no other.
#[cfg(target_os = "linux")]
fn in_line(process: u32) -> Duration {
    let told = std::fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
    let nanoseconds = told.split_whitespace().nth(1).and_then(|text| text.parse().ok());
    nanoseconds.map_or(Duration::ZERO, Duration::from_nanos)
}

#[cfg(not(target_os = "linux"))]
fn in_line(_: u32) -> Duration {
    Duration::ZERO
}

impl Watch {
    /// `limit` without the time in line for a core, and `times` the limit in all.
    fn begin(&self, worker: &Worker, limit: Duration, times: u32) -> u64 {
        let in_line = in_line(worker.child.lock().id());
        let began = Instant::now();
        let deadline = began + limit;
        let mut list = self.list.lock();
        let id = list.next_id;
        list.next_id += 1;
        let earliest = list.busy.iter().all(|other| deadline < other.deadline);
        let child = Arc::clone(&worker.child);
        list.busy.push(Watched { id, began, limit, times, deadline, child, in_line, killed: None });
        if earliest {
            self.changed.notify_one();
        }
        id
    }

    /// Returns why it was killed, if it was; from here on it is not.
    fn end(&self, id: u64) -> Option<Killed> {
        let mut list = self.list.lock();
        let place = list.busy.iter().position(|watched| watched.id == id);
        list.busy.swap_remove(place?).killed
    }

    fn close(&self) {
        self.list.lock().closing = true;
        self.changed.notify_one();
    }

    fn run(&self) {
        let mut list = self.list.lock();
        while !list.closing {
            let now = Instant::now();
            let due = |watched: &&mut Watched| watched.killed.is_none() && watched.deadline <= now;
            for watched in list.busy.iter_mut().filter(due) {
                match watched.judge(now) {
                    Ok(later) => watched.deadline = later,
                    // Under the list's lock, so that a worker which has just answered is left alone.
                    Err(killed) => {
                        let _ = watched.child.lock().kill();
                        watched.killed = Some(killed);
                    }
                }
            }
            let running = list.busy.iter().filter(|watched| watched.killed.is_none());
            match running.map(|watched| watched.deadline).min() {
                Some(deadline) => {
                    self.changed.wait_until(&mut list, deadline);
                }
                None => self.changed.wait(&mut list),
            }
        }
    }
}
