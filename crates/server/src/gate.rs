//! Bounded blocking work: so many at once, so many waiting, the next one refused at once.

use crate::problem::{BUSY, Problem};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::Semaphore;

/// A bounded queue before a bounded number of blocking threads.
#[derive(Clone)]
pub(crate) struct Gate {
    name: &'static str,
    slots: Arc<Semaphore>,
    size: usize,
    waiting: Arc<AtomicUsize>,
    queue: usize,
}

/// Counts one waiting request, also when its client goes away while it waits.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(name: &'static str, slots: usize, queue: usize) -> Self {
        Self { name, slots: Arc::new(Semaphore::new(slots)), size: slots, waiting: Arc::default(), queue }
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
        let permit = match self.slots.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let before = self.waiting.fetch_add(1, Relaxed);
                let _waiting = Waiting(self.waiting.clone());
                if before >= self.queue {
                    return Err(Problem::new(
                        &BUSY,
                        format!("{before} requests are waiting already; try again in a moment"),
                    ));
                }
                self.slots.clone().acquire_owned().await.map_err(|closed| Problem::internal(&closed))?
            }
        };
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            span.in_scope(work)
        })
        .await
        .map_err(|panic| Problem::internal(&panic))?
        .map_err(Into::into)
    }

    /// (name, running, waiting) for the metrics.
    pub(crate) fn load(&self) -> (&'static str, usize, usize) {
        (self.name, self.size - self.slots.available_permits(), self.waiting.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_queue_is_bounded_and_left_by_those_who_give_up() {
        let gate = Gate::new("test", 1, 1);
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let gate = gate.clone();
            async move { gate.run(move || opened.recv().map_err(|e| Problem::internal(&e))).await }
        });
        while gate.load().1 == 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let gate = gate.clone();
            async move { gate.run(|| Ok::<_, Problem>(2)).await }
        });
        while gate.load().2 == 0 {
            tokio::task::yield_now().await;
        }
        let third = gate.run(|| Ok::<_, Problem>(3)).await;
        assert_eq!(third.expect_err("the queue is full").code().name, "busy");
        second.abort();
        assert!(second.await.expect_err("aborted").is_cancelled());
        assert_eq!(gate.load().2, 0, "who gives up leaves the queue");
        open.send(()).expect("the first still waits");
        first.await.expect("no panic").expect("it was let through");
        assert_eq!(gate.run(|| Ok::<_, Problem>(4)).await.expect("free again"), 4);
    }
}
