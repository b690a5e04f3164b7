//! Decoding in processes of their own, so that no picture can take the server down.
//!
//! A [`DecodePool`] starts the program's own binary again with [`WORKER_ARG`] as its first argument;
//! `main` must then call [`worker_main`] before anything else. Such a worker gives up, before it
//! sees the first foreign byte, the right to more memory, to opening files or sockets, to writing
//! files, to starting processes, to long computing and to leaving a core file. A picture that
//! kills, hangs or exhausts its worker costs that worker and is answered with a typed error; the
//! pool starts another one.
//!
//! In: bytes. Out: what [`decode`](crate::decode()) and [`decode_reduced`](crate::decode_reduced)
//! answer, equal to the byte. What the header already shows to be too much is refused without
//! asking a worker.
//!
//! The limits on memory and files are those of POSIX `setrlimit`; elsewhere (Windows) the time
//! limit and the process border remain.

mod frame;
mod pool;
mod process;

pub use pool::{DecodePool, PoolSettings, this_exe};
#[doc(hidden)]
pub use process::worker_main_with;
pub use process::{WORKER_ARG, confine, worker_main};
