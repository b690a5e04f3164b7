//! Bodies as they come in: not too slow, and not too many bytes of all of them together.
//!
//! A body that stands still is given up, and so is one that only trickles; an import may stand still as long as its
//! own handler allows. Bodies that are held in memory share a budget, taken byte by byte: a thousand clients that
//! announce large pictures cost what they send, and the one beyond the budget is refused.

use crate::problem::{BODY_STALLED, BUSY, Problem};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// The slowest sender that is waited for, once it has had [`Intake::patience`].
const BYTES_A_SECOND: u64 = 4096;
/// The unit of the budget.
const UNIT: usize = 4096;

/// What bodies may cost.
#[derive(Clone)]
pub(crate) struct Intake {
    budget: Arc<Semaphore>,
    /// Units of the whole budget.
    units: usize,
    /// How long a body may stand still.
    patience: Duration,
}

/// What a body did: why it broke off, and the bytes it holds until its request is answered.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) fault: Option<Problem>,
    held: Option<OwnedSemaphorePermit>,
}

impl Intake {
    pub(crate) fn new(budget_bytes: usize, patience: Duration) -> Self {
        let units = (budget_bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self { budget: Arc::new(Semaphore::new(units)), units, patience }
    }

    /// For the metrics, to the unit.
    pub(crate) fn held_bytes(&self) -> usize {
        (self.units - self.budget.available_permits()) * UNIT
    }

    /// `streamed`: the handler keeps no more than a line of it, and times it itself.
    pub(crate) fn watch(&self, body: Body, streamed: bool) -> (Body, Arc<Mutex<Taken>>) {
        let taken = Arc::<Mutex<Taken>>::default();
        if streamed || body.is_end_stream() {
            return (body, taken);
        }
        let watched = Watched {
            body,
            intake: self.clone(),
            taken: taken.clone(),
            started: Instant::now(),
            bytes: 0,
            rest: 0,
            still: Box::pin(tokio::time::sleep(self.patience)),
        };
        (Body::new(watched), taken)
    }
}

struct Watched {
    body: Body,
    intake: Intake,
    taken: Arc<Mutex<Taken>>,
    started: Instant,
    bytes: u64,
    /// Bytes not yet paid for, less than a unit.
    rest: usize,
    still: Pin<Box<Sleep>>,
}

impl Watched {
    fn fail(&self, problem: Problem) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let error = axum::Error::new(std::io::Error::other("the body was given up"));
        self.taken.lock().fault = Some(problem);
        Poll::Ready(Some(Err(error)))
    }

    fn pay(&mut self, bytes: usize) -> bool {
        let due = self.rest + bytes;
        self.rest = due % UNIT;
        let units = u32::try_from(due / UNIT).unwrap_or(u32::MAX);
        if units == 0 {
            return true;
        }
        let Ok(permit) = self.intake.budget.clone().try_acquire_many_owned(units) else { return false };
        let held = &mut self.taken.lock().held;
        match held {
            Some(held) => held.merge(permit),
            None => *held = Some(permit),
        }
        true
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let slow = |taken: u64| {
            Problem::new(
                &BODY_STALLED,
                format!("after {taken} bytes the body came too slowly, or not at all"),
            )
        };
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => match self.still.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => self.fail(slow(self.bytes)),
            },
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.bytes += bytes as u64;
                if !self.pay(bytes) {
                    let full =
                        Problem::new(&BUSY, "too many large bodies are under way; try again in a moment");
                    return self.fail(full);
                }
                let past = self.started.elapsed().saturating_sub(self.intake.patience);
                if (self.bytes as f64) < past.as_secs_f64() * BYTES_A_SECOND as f64 {
                    return self.fail(slow(self.bytes));
                }
                let until = tokio::time::Instant::now() + self.intake.patience;
                self.still.as_mut().reset(until);
                Poll::Ready(Some(Ok(frame)))
            }
            end => end,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The length that a body announces.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(axum::http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
