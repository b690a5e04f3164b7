//! The worker's side: take on the limits, then answer one picture after the other.

use super::frame::{Answer, Confinement, Request, read_frame, write_frame};
use crate::decode::{Decoded, develop};
use crate::{Limits, PhotoError};
use std::io::{self, ErrorKind, stdin, stdout};

/// The hidden first argument that makes the binary a worker.
pub const WORKER_ARG: &str = "twinset-decode-worker";

/// The whole life of a worker: call it first in `main` when the first argument is [`WORKER_ARG`].
///
/// Ends when the pool closes its pipe; with status 2 when nobody speaks the pool's language on it.
pub fn worker_main() -> ! {
    worker_main_with(develop)
}

/// [`worker_main`] with another decoder: how the tests bring one that crashes, hangs and lies.
#[doc(hidden)]
pub fn worker_main_with(decoder: impl Fn(&[u8], &Limits, Option<u32>) -> Result<Decoded, PhotoError>) -> ! {
    // A panic is told in the answer; on this process's standard error nobody would read it.
    std::panic::set_hook(Box::new(|_| {}));
    let status = match serve(decoder) {
        Ok(()) => 0,
        Err(_) => 2,
    };
    std::process::exit(status)
}

fn serve(decoder: impl Fn(&[u8], &Limits, Option<u32>) -> Result<Decoded, PhotoError>) -> io::Result<()> {
    let (mut from, mut to) = (stdin().lock(), stdout().lock());
    let (confinement, _) = read_frame::<Confinement>(&mut from, 0)?;
    confine(confinement.memory_bytes, confinement.cpu_s)?;
    write_frame(&mut to, &Answer::Ready, &[])?;
    loop {
        let (request, bytes) = match read_frame::<Request>(&mut from, confinement.max_bytes) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        };
        match decoder(&bytes, &request.limits, request.longer_side_px) {
            Ok(Decoded { photo, full_width, full_height }) => {
                let (width, height) = (photo.width(), photo.height());
                let head = Answer::Photo { width, height, full_width, full_height };
                write_frame(&mut to, &head, photo.rgb())?;
            }
            Err(error) => write_frame(&mut to, &Answer::Refused(error), &[])?,
        }
    }
}

/// Gives up, for the rest of this process's life, the right to more than `memory_bytes` beside what it has, to more
/// than `cpu_s` seconds of computing, to opening and writing files and to starting processes and threads.
///
/// # Errors
/// What the system said.
#[cfg(unix)]
pub fn confine(memory_bytes: u64, cpu_s: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let lower = |resource, wanted: u64| {
        let most = Some(getrlimit(resource).maximum.map_or(wanted, |hard| hard.min(wanted)));
        setrlimit(resource, Rlimit { current: most, maximum: most })
    };
    let memory = lower(Resource::As, mapped_bytes().saturating_add(memory_bytes));
    // macOS knows this limit by name only.
    if cfg!(target_os = "linux") {
        memory?;
    }
    lower(Resource::Core, 0)?;
    lower(Resource::Cpu, cpu_s)?;
    lower(Resource::Fsize, 0)?;
    lower(Resource::Nproc, 0)?;
    // Only the three descriptors that are open already.
    lower(Resource::Nofile, 3)?;
    Ok(())
}

/// Here a process can give up nothing.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn confine(_: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Address space this process uses already, most of it the binary itself.
#[cfg(unix)]
fn mapped_bytes() -> u64 {
    const UNKNOWN: u64 = 512 << 20;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib =
        line.and_then(|rest| rest.trim().strip_suffix("kB")).and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.map_or(UNKNOWN, |kib| kib << 10)
}
