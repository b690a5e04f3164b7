//! How many requests each host gets at a time, and which hosts are left alone for a while.

use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures in a row after which a host is given up ...
const GIVE_UP: u32 = 6;
/// ... for this long.
const REST: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Host {
    running: usize,
    /// It asked for patience, or does not answer.
    not_before: Option<Instant>,
    silent: u32,
}

/// All hosts of one fetcher.
pub(crate) struct Hosts {
    at_once: usize,
    hosts: Mutex<HashMap<String, Host>>,
    freed: Condvar,
}

/// Leave to ask a host; given back when dropped.
pub(crate) struct Turn<'a> {
    hosts: &'a Hosts,
    name: String,
}

/// Why there is no turn.
pub(crate) enum NoTurn {
    GivenUp(u32),
    Stopped,
}

impl Hosts {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { at_once: at_once.max(1), hosts: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits for a turn at `name`.
    pub(crate) fn turn(&self, name: &str, stop: &dyn Fn() -> bool) -> Result<Turn<'_>, NoTurn> {
        let mut hosts = self.hosts.lock();
        loop {
            if stop() {
                return Err(NoTurn::Stopped);
            }
            let host = hosts.entry(name.to_owned()).or_default();
            let now = Instant::now();
            let rests = host.not_before.is_some_and(|at| at > now);
            if rests && host.silent >= GIVE_UP {
                return Err(NoTurn::GivenUp(host.silent));
            }
            if !rests && host.running < self.at_once {
                host.running += 1;
                return Ok(Turn { hosts: self, name: name.to_owned() });
            }
            let most = Duration::from_millis(100);
            let wait = host
                .not_before
                .map_or(most, |at| at.saturating_duration_since(now).clamp(Duration::from_millis(1), most));
            self.freed.wait_for(&mut hosts, wait);
        }
    }

    /// The host answered, whatever it was.
    pub(crate) fn answered(&self, name: &str) {
        if let Some(host) = self.hosts.lock().get_mut(name) {
            host.silent = 0;
        }
    }

    /// The host did not answer.
    pub(crate) fn silent(&self, name: &str) {
        if let Some(host) = self.hosts.lock().get_mut(name) {
            host.silent += 1;
            if host.silent >= GIVE_UP {
                host.not_before = Some(Instant::now() + REST);
            }
        }
    }

    /// The host asks for patience.
    pub(crate) fn rest(&self, name: &str, pause: Duration) {
        if let Some(host) = self.hosts.lock().get_mut(name) {
            let until = Instant::now() + pause;
            host.not_before = Some(host.not_before.map_or(until, |at| at.max(until)));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(host) = self.hosts.hosts.lock().get_mut(&self.name) {
            host.running -= 1;
        }
        self.hosts.freed.notify_all();
    }
}
