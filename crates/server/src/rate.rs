//! How often a key may be used: so many requests in so many seconds.
//!
//! The generic cell rate algorithm (ITU-T I.371): one number a key, no queue, no clock tick. A caller that was silent
//! may use its whole quota at once.

use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// A quota. Written `300/m`: requests by `s`, `m` or `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests in one window.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub requests: u32,
    /// Length of the window in seconds.
    #[schema(minimum = 1, maximum = 86_400)]
    pub window_s: u32,
}

impl Rate {
    /// Whether it is a quota at all.
    pub(crate) fn is_possible(self) -> bool {
        (1..=1_000_000).contains(&self.requests) && (1..=86_400).contains(&self.window_s)
    }

    fn window(self) -> Duration {
        Duration::from_secs(u64::from(self.window_s))
    }
}

impl std::str::FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no rate; write `300/m`: requests by s, m or h");
        let (requests, unit) = text.split_once('/').ok_or_else(wrong)?;
        let window_s = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let rate = Self { requests: requests.trim().parse().map_err(|_| wrong())?, window_s };
        if rate.is_possible() { Ok(rate) } else { Err(wrong()) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.window_s {
            1 => write!(f, "{}/s", self.requests),
            60 => write!(f, "{}/m", self.requests),
            3600 => write!(f, "{}/h", self.requests),
            other => write!(f, "{}/{other} s", self.requests),
        }
    }
}

/// What is left of a quota after one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) rate: Rate,
    pub(crate) requests: u32,
    /// Until the whole quota is there again.
    pub(crate) whole_in: Duration,
    /// If it was refused: when one request is allowed again.
    pub(crate) wait: Option<Duration>,
}

/// The use of one key's quota.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// When the quota will be whole again (the "theoretical arrival time").
    whole_at: Mutex<Option<Instant>>,
}

impl Meter {
    /// Takes one request out of the quota, if there is one left.
    pub(crate) fn take(&self, rate: Rate, now: Instant) -> Left {
        let (window, each) = (rate.window(), rate.window() / rate.requests);
        let mut whole_at = self.whole_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let used = whole_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let after = used + each;
        let requests = |used: Duration| {
            (window.saturating_sub(used).as_nanos() / each.as_nanos().max(1)).min(u128::from(rate.requests))
                as u32
        };
        // Nanoseconds that a window does not divide into are the caller's.
        if after > window + Duration::from_nanos(u64::from(rate.requests)) {
            return Left { rate, requests: 0, whole_in: used, wait: Some(after - window) };
        }
        *whole_at = Some(now + after);
        Left { rate, requests: requests(after), whole_in: after, wait: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_up_and_comes_back() {
        let (meter, rate, start) = (Meter::default(), Rate { requests: 3, window_s: 60 }, Instant::now());
        let left: Vec<u32> = (0..3).map(|_| meter.take(rate, start).requests).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = meter.take(rate, start);
        assert_eq!(refused.wait.map(|wait| wait.as_secs_f64().round()), Some(20.0));
        assert!(meter.take(rate, start + Duration::from_secs(19)).wait.is_some());
        assert!(meter.take(rate, start + Duration::from_secs(21)).wait.is_none());
        assert_eq!(
            meter.take(rate, start + Duration::from_secs(500)).requests,
            2,
            "no more than the quota is saved up"
        );
    }

    #[test]
    fn rates_are_read_as_written() {
        for text in ["300/m", "5/s", "1/h"] {
            assert_eq!(text.parse::<Rate>().expect(text).to_string(), text);
        }
        for text in ["", "300", "0/m", "x/m", "5/d", "-1/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
