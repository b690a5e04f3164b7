//! How hard a search tries, by how much its filter lets pass.
//!
//! A walk without a filter, a widened walk and a scan of the few need different efforts for the same recall, so
//! that each class has its own. Whoever measures recall sets it; nobody else needs to know of it.
use std::sync::atomic::{AtomicU32, Ordering};

/// How much of an index a filter lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selectivity {
    /// There is no filter.
    All,
    /// More than 10 %.
    Many,
    /// 1 to 10 %.
    Some,
    /// Less than 1 %.
    Few,
}

impl Selectivity {
    /// All of them.
    pub const EVERY: [Self; 4] = [Self::All, Self::Many, Self::Some, Self::Few];

    /// Of a filter that lets this share pass.
    #[must_use]
    pub fn of_share(share: f64) -> Self {
        match share {
            share if share > 0.1 => Self::Many,
            share if share >= 0.01 => Self::Some,
            _ => Self::Few,
        }
    }

    /// As it is written in metrics: `none`, `over_10_percent`, `1_to_10_percent`, `under_1_percent`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "none",
            Self::Many => "over_10_percent",
            Self::Some => "1_to_10_percent",
            Self::Few => "under_1_percent",
        }
    }
}

/// Candidates kept on the way, for each class.
pub(crate) struct Efforts([AtomicU32; 4]);

impl Efforts {
    pub(crate) fn all(width: usize) -> Self {
        Self([(); 4].map(|()| AtomicU32::new(width as u32)))
    }
    pub(crate) fn get(&self, class: Selectivity) -> usize {
        self.0[class as usize].load(Ordering::Relaxed) as usize
    }
    /// All of them, as they are saved.
    pub(crate) fn told(&self) -> [u32; 4] {
        Selectivity::EVERY.map(|class| self.get(class) as u32)
    }
    pub(crate) fn set(&self, class: Selectivity, width: usize) {
        self.0[class as usize].store(width.clamp(1, 1 << 20) as u32, Ordering::Relaxed);
    }
}
