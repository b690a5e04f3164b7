//! Products about which a person has accepted a finding count for less, as long as they still claim it.

use crate::{Result, audit, fuse};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use twinset_catalogue::Catalogue;

/// A changed product is looked at again after this time.
const STALE: Duration = Duration::from_secs(2);

/// Factors below 1 by product row; those not named count in full.
pub(crate) type Factors = Arc<HashMap<u32, f32>>;

/// The factors of one catalogue, made from its decisions and kept until these or the products change.
#[derive(Default)]
pub(crate) struct Trust(Mutex<Option<Known>>);

struct Known {
    factors: Factors,
    /// Nothing is accepted: nothing can become stale.
    nothing: bool,
    seq: u64,
    at: Instant,
}

impl Trust {
    /// A decision was made.
    pub(crate) fn forget(&self) {
        *self.0.lock() = None;
    }

    pub(crate) fn factors(&self, catalogue: &Catalogue) -> Result<Factors> {
        let mut known = self.0.lock();
        if let Some(known) = known.as_ref()
            && (known.nothing || known.at.elapsed() < STALE || catalogue.last_seq()? == known.seq)
        {
            return Ok(known.factors.clone());
        }
        let seq = catalogue.last_seq()?;
        let accepted = catalogue.decisions()?.into_iter().filter(|d| d.accepted);
        let mut factors = HashMap::new();
        let mut nothing = true;
        for decision in accepted {
            nothing = false;
            let Some(record) = catalogue.record(&decision.finding.product)? else { continue };
            if audit::stands(&decision.finding, &record.product) {
                let factor = factors.entry(record.row).or_insert(1.0f32);
                *factor = factor.min(fuse::trust(&decision.finding.kind));
            }
        }
        let factors = Arc::new(factors);
        *known = Some(Known { factors: factors.clone(), nothing, seq, at: Instant::now() });
        Ok(factors)
    }
}
