//! Bounded blocking work: so many at once, so many waiting, the next one refused at once.
//!
//! Waiting requests stand in one line a tenant, and the lines are served in turn: a tenant that sends ten times what
//! others send waits ten times as long, and the others hardly notice. In a short burst [`BURST_A_SLOT`] may wait for each
//! slot. When the queue has not been empty for [`PATIENCE`] the load is not a burst, and from then on only so many wait as
//! keep the slots busy (after "Fail at Scale", B. Maurer, ACM Queue 2015, who limits waiting time by the same rule): an answer that
//! comes late is worth less than a refusal that comes at once.

use crate::problem::{BUSY, Problem};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::Instrument;
use twinset_engine::Histogram;

/// After so long without an empty queue the load is not a burst.
const PATIENCE: Duration = Duration::from_millis(400);
/// Requests that may wait for each slot in a burst. At random arrivals that use four fifths of what the slots can do, one in
/// a hundred waits for five others (M/D/2): who waits for eight waits less than twice as long, and those who were let in
/// when an overload began do not spoil what it promises to those after them.
const BURST_A_SLOT: usize = 8;
/// Requests that may wait for each slot under lasting load: one is enough to keep it busy, two bridge the gaps between
/// arrivals.
const WAITING_A_SLOT: usize = 2;

tokio::task_local! {
    /// Whose request this is: the catalogue in its address, or the key. Set around every request.
    pub(crate) static TENANT: Arc<str>;
}

fn tenant() -> Arc<str> {
    TENANT.try_with(Arc::clone).unwrap_or_else(|_| Arc::from(""))
}

/// Work of seconds yields to answers of microseconds: the threads that compute run at a lower priority than those that
/// talk to clients. Without it a refusal waits for its core behind the searches that it is about.
#[cfg(target_os = "linux")]
fn give_way() {
    const NICENESS: i32 = 5;
    thread_local! {
        static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    if !DONE.replace(true) {
        // Of this thread alone: Linux keeps priorities by thread. Where it may not, nothing is lost but order.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// A bounded queue before a bounded number of blocking threads.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    name: &'static str,
    slots: usize,
    queue: usize,
    /// Requests that may wait in a burst; a part of the queue is kept for those who come later.
    burst: usize,
    /// Requests that may wait while load lasts.
    lasting: usize,
    lines: Mutex<Lines>,
}

struct Lines {
    running: usize,
    waiting: usize,
    /// By tenant; no line is empty.
    lines: HashMap<Arc<str>, VecDeque<oneshot::Sender<Slot>>>,
    /// Tenants in the order of their turns, each once.
    turns: VecDeque<Arc<str>>,
    /// When the queue was last empty.
    calm: Instant,
    /// Mean time of one piece of work, moving, in seconds.
    mean_s: f64,
    refused: u64,
    /// How long those who got a slot had waited for it.
    waits: Histogram,
}

/// What a gate is doing, for the metrics.
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) refused: u64,
    pub(crate) waits: Histogram,
}

impl Gate {
    pub(crate) fn new(name: &'static str, slots: usize, queue: usize) -> Self {
        Self::with(name, slots, queue, BURST_A_SLOT * slots, WAITING_A_SLOT * slots)
    }

    /// For pieces of work so short that one visitor asks for dozens at once, and would rather wait than miss some: its
    /// whole queue may stay in use.
    pub(crate) fn of_many(name: &'static str, slots: usize, queue: usize) -> Self {
        Self::with(name, slots, queue, queue, queue)
    }

    fn with(name: &'static str, slots: usize, queue: usize, burst: usize, lasting: usize) -> Self {
        let burst = burst.min(queue - queue / 4);
        let lines = Lines {
            running: 0,
            waiting: 0,
            lines: HashMap::new(),
            turns: VecDeque::new(),
            calm: Instant::now(),
            mean_s: 0.05,
            refused: 0,
            waits: Histogram::default(),
        };
        Self(Arc::new(Inner { name, slots, queue, burst, lasting, lines: Mutex::new(lines) }))
    }

    /// Runs `work` on a blocking thread as soon as a slot is free.
    ///
    /// The slot stays taken until `work` returns, even if nobody waits for it any more: work that goes on
    /// costs the machine as much without a listener.
    ///
    /// # Errors
    /// [`BUSY`] when the queue is full; what `work` returns.
    pub(crate) async fn run<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let slot = self.enter().instrument(tracing::info_span!("wait", gate = self.0.name)).await?;
        let span = tracing::info_span!("work", gate = self.0.name);
        tokio::task::spawn_blocking(move || {
            let _slot = slot;
            give_way();
            span.in_scope(work)
        })
        .await
        .map_err(|panic| Problem::internal(&panic))?
        .map_err(Into::into)
    }

    /// Whether the next request of this tenant would be refused: asked before its body is read.
    ///
    /// # Errors
    /// [`BUSY`].
    pub(crate) fn would_admit(&self, tenant: &Arc<str>) -> Result<(), Problem> {
        let mut lines = self.0.lines.lock();
        self.0.check(&mut lines, tenant)
    }

    async fn enter(&self) -> Result<Slot, Problem> {
        let tenant = tenant();
        let receive = {
            let mut lines = self.0.lines.lock();
            if lines.running < self.0.slots && lines.waiting == 0 {
                lines.running += 1;
                lines.calm = Instant::now();
                lines.waits.observe(0.0);
                return Ok(Slot::new(self.0.clone()));
            }
            self.0.check(&mut lines, &tenant)?;
            let (send, receive) = oneshot::channel();
            lines.waiting += 1;
            if !lines.lines.contains_key(&tenant) {
                lines.turns.push_back(tenant.clone());
            }
            lines.lines.entry(tenant.clone()).or_default().push_back(send);
            receive
        };
        let since = Instant::now();
        let mut place = Place { inner: &self.0, tenant, receive, left: false };
        let slot = (&mut place.receive).await;
        place.left = true;
        self.0.lines.lock().waits.observe(since.elapsed().as_secs_f64());
        slot.map(Slot::started).map_err(|closed| Problem::internal(&closed))
    }

    /// For the metrics.
    pub(crate) fn load(&self) -> Load {
        let lines = self.0.lines.lock();
        Load {
            name: self.0.name,
            running: lines.running,
            waiting: lines.waiting,
            refused: lines.refused,
            waits: lines.waits.clone(),
        }
    }
}

impl Inner {
    fn check(&self, lines: &mut Lines, tenant: &Arc<str>) -> Result<(), Problem> {
        let now = Instant::now();
        if lines.waiting == 0 {
            lines.calm = now;
        }
        let lasting = now.duration_since(lines.calm) > PATIENCE;
        let most = if lasting { self.lasting.min(self.burst) } else { self.burst };
        let own = lines.lines.get(tenant).map_or(0, VecDeque::len);
        let tenants = lines.lines.len() + usize::from(own == 0);
        if own < (most / tenants).max(1) && lines.waiting < self.queue {
            return Ok(());
        }
        lines.refused += 1;
        let wait = Duration::from_secs_f64(lines.mean_s * lines.waiting as f64 / self.slots as f64);
        let detail = format!("{} requests are waiting already; try again in a moment", lines.waiting);
        Err(Problem::new(&BUSY, detail).retry_after(wait))
    }
}

/// A place in a line. Left when its request is given up.
struct Place<'a> {
    inner: &'a Inner,
    tenant: Arc<str>,
    receive: oneshot::Receiver<Slot>,
    left: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        self.receive.close();
        // The slot may have come in this very moment: then it is passed on, outside the lock.
        let slot = self.receive.try_recv().ok();
        if slot.is_none() {
            let lines = &mut *self.inner.lines.lock();
            if let Some(line) = lines.lines.get_mut(&self.tenant) {
                let before = line.len();
                line.retain(|waiting| !waiting.is_closed());
                lines.waiting -= before - line.len();
                if line.is_empty() {
                    lines.lines.remove(&self.tenant);
                    lines.turns.retain(|turn| *turn != self.tenant);
                }
            }
        }
    }
}

/// The right to run. Dropped: the next in turn has it.
struct Slot {
    inner: Option<Arc<Inner>>,
    since: Instant,
}

impl Slot {
    fn new(inner: Arc<Inner>) -> Self {
        Self { inner: Some(inner), since: Instant::now() }
    }

    fn started(mut self) -> Self {
        self.since = Instant::now();
        self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        let mut lines = inner.lines.lock();
        lines.mean_s += 0.1 * (self.since.elapsed().as_secs_f64() - lines.mean_s);
        let mut slot = Self::new(inner.clone());
        while let Some(tenant) = lines.turns.pop_front() {
            let Some(line) = lines.lines.get_mut(&tenant) else { continue };
            let next = line.pop_front();
            if line.is_empty() {
                lines.lines.remove(&tenant);
            } else {
                lines.turns.push_back(tenant);
            }
            let Some(next) = next else { continue };
            lines.waiting -= 1;
            match next.send(slot) {
                Ok(()) => return,
                Err(back) => slot = back,
            }
        }
        // Nobody waits: `slot` ends here, without passing itself on.
        slot.inner = None;
        lines.running -= 1;
        lines.calm = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Holds the only slot of a gate until told.
    async fn held(gate: &Gate) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Problem>>) {
        let (open, opened) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let gate = gate.clone();
            async move { gate.run(move || opened.recv().map_err(|e| Problem::internal(&e))).await }
        });
        while gate.load().running == 0 {
            tokio::task::yield_now().await;
        }
        (open, first)
    }

    fn ask(
        gate: &Gate,
        tenant: &str,
        done: &mpsc::Sender<String>,
    ) -> tokio::task::JoinHandle<Result<(), Problem>> {
        let (gate, done, name) = (gate.clone(), done.clone(), tenant.to_owned());
        tokio::spawn(TENANT.scope(tenant.into(), async move {
            gate.run(move || done.send(name).map_err(|e| Problem::internal(&e))).await
        }))
    }

    async fn until_waiting(gate: &Gate, waiting: usize) {
        while gate.load().waiting != waiting {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_queue_is_bounded_and_left_by_those_who_give_up() {
        let gate = Gate::new("test", 1, 1);
        let (open, first) = held(&gate).await;
        let (done, _all) = mpsc::channel();
        let second = ask(&gate, "", &done);
        until_waiting(&gate, 1).await;
        let third = gate.run(|| Ok::<_, Problem>(3)).await;
        assert_eq!(third.expect_err("the queue is full").code().name, "busy");
        second.abort();
        assert!(second.await.expect_err("aborted").is_cancelled());
        assert_eq!(gate.load().waiting, 0, "who gives up leaves the queue");
        open.send(()).expect("the first still waits");
        first.await.expect("no panic").expect("it was let through");
        assert_eq!(gate.run(|| Ok::<_, Problem>(4)).await.expect("free again"), 4);
        assert_eq!(gate.load().running, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn tenants_are_served_in_turn() {
        let gate = Gate::new("test", 1, 16);
        let (open, _first) = held(&gate).await;
        let (done, order) = mpsc::channel();
        let mut waiting = Vec::new();
        for (at, tenant) in ["loud", "loud", "loud", "loud", "quiet", "other"].into_iter().enumerate() {
            waiting.push(ask(&gate, tenant, &done));
            until_waiting(&gate, at + 1).await;
        }
        open.send(()).expect("the first still waits");
        for one in waiting {
            one.await.expect("no panic").expect("let through");
        }
        drop(done);
        assert_eq!(order.iter().collect::<Vec<_>>(), ["loud", "quiet", "other", "loud", "loud", "loud"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn thumbnails_wait_however_long_it_lasts() {
        let gate = Gate::of_many("test", 1, 16);
        let (open, _first) = held(&gate).await;
        let (done, _all) = mpsc::channel();
        let waiting: Vec<_> = (0..8).map(|_| ask(&gate, "page", &done)).collect();
        until_waiting(&gate, 8).await;
        tokio::time::sleep(PATIENCE + Duration::from_millis(20)).await;
        assert!(gate.would_admit(&"page".into()).is_ok());
        open.send(()).expect("the first still waits");
        for one in waiting {
            one.await.expect("no panic").expect("let through");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn under_lasting_load_few_wait_and_others_still_find_a_place() {
        let gate = Gate::new("test", 1, 16);
        let (open, _first) = held(&gate).await;
        let (done, _all) = mpsc::channel();
        let waiting: Vec<_> = (0..2).map(|_| ask(&gate, "loud", &done)).collect();
        until_waiting(&gate, 2).await;
        assert!(gate.would_admit(&"loud".into()).is_ok(), "a burst may fill the queue");
        tokio::time::sleep(PATIENCE + Duration::from_millis(20)).await;
        assert!(gate.would_admit(&"loud".into()).is_err(), "it was no burst");
        assert!(gate.would_admit(&"quiet".into()).is_ok());
        open.send(()).expect("the first still waits");
        for one in waiting {
            one.await.expect("no panic").expect("let through");
        }
    }
}
