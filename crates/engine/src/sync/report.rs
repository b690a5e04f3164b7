//! What a sync tells: counts, findings by kind with one example each, pictures that could not be had.

use super::SyncOptions;
use super::diff::{Difference, Fate, TOLD};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use twinset_feed::{Finding, FindingKind, Format};

/// Rows told of one kind of finding.
const ROWS_TOLD: usize = 100;
/// Failed pictures told.
const PICTURES_TOLD: usize = 1_000;

/// Where a sync is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Stage {
    #[default]
    Fetch,
    Parse,
    Pictures,
    Publish,
}

/// Rows of the feed by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows.
    pub seen: u64,
    /// Products that were not there.
    pub new: u64,
    /// Products that were there and are different now.
    pub changed: u64,
    /// Rows that say what they said before.
    pub unchanged: u64,
    /// Products of this source that are not listed any more.
    pub gone: u64,
    /// Rows left out; a finding says why.
    pub skipped: u64,
    /// Products that could not be kept, and pictures that could not be had.
    pub failed: u64,
}

/// Pictures by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PictureCounts {
    /// Addresses that are still to be asked.
    pub wanted: u64,
    /// Fetched.
    pub fetched: u64,
    /// Asked for, and as they were.
    pub not_modified: u64,
    /// Could not be had.
    pub failed: u64,
    /// Bytes fetched.
    pub bytes: u64,
}

/// How far a sync is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Progress {
    pub stage: Stage,
    pub counts: Counts,
    pub pictures: PictureCounts,
}

/// How a sync ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SyncEnd {
    /// The catalogue is what the feed says.
    Succeeded,
    /// All but removals was done; a person must say whether these may be done.
    NeedsApproval(Approval),
    /// Asked to stop; the next run goes on.
    Cancelled,
    /// It could not go on; the reason.
    Failed(String),
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Approval {
    /// Products that would be removed.
    pub gone: u64,
    /// Products of this source.
    pub of: u64,
    /// Their share.
    pub share: f64,
    /// Why it is asked, and what to do.
    pub reason: String,
}

impl Approval {
    pub(crate) fn of(gone: usize, of: u64, why: &str) -> Self {
        let share = gone as f64 / of.max(1) as f64;
        let reason = format!(
            "{why}: {gone} of {of}. If that is right, run it again with --delete-missing=yes; to keep them, with no"
        );
        Self { gone: gone as u64, of, share: (share * 1e4).round() / 1e4, reason }
    }
}

/// All findings of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct FindingGroup {
    pub count: u64,
    /// The first rows.
    pub rows: Vec<u64>,
    pub example: Option<Finding>,
}

/// A picture that could not be had; tried again at the next sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct FailedPicture {
    pub product: String,
    pub url: String,
    pub reason: String,
}

/// What a sync did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name of the source.
    pub source: String,
    /// Number of the run; 0 for a dry run.
    pub run: u64,
    /// `succeeded`, `needs_approval`, `cancelled` or `failed`.
    pub state: String,
    /// Nothing was changed.
    pub dry_run: bool,
    /// What the feed was; absent if it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Its encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static str>,
    /// The server says that the feed has not changed since the last run.
    pub not_modified: bool,
    /// Why the feed counts as cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// Rows.
    pub counts: Counts,
    /// Products that are missing in the feed and were kept.
    pub kept: u64,
    /// Pictures.
    pub pictures: PictureCounts,
    /// By kind.
    pub findings: BTreeMap<&'static str, FindingGroup>,
    /// The first of those that could not be had.
    pub failed_pictures: Vec<FailedPicture>,
    /// Of a dry run: the first products that it would touch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<Difference>,
    /// What a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Number of the catalogue's last change at the end.
    pub seq: u64,
    /// How long it took.
    pub seconds: f64,
}

/// What is gathered during a run.
#[derive(Default)]
pub(crate) struct Notebook {
    pub(crate) progress: Progress,
    pub(crate) counts: Counts,
    pub(crate) pictures: PictureCounts,
    pub(crate) kept: u64,
    pub(crate) not_modified: bool,
    pub(crate) format: Option<(Format, &'static str)>,
    pub(crate) partial: Option<String>,
    findings: BTreeMap<&'static str, FindingGroup>,
    failed_pictures: Vec<FailedPicture>,
    diff: Vec<Difference>,
}

impl Notebook {
    /// Of a dry run.
    pub(crate) fn differs(&mut self, product: &str, fate: Fate, claims: BTreeMap<String, [Value; 2]>) {
        if self.diff.len() < TOLD {
            self.diff.push(Difference { product: product.to_owned(), fate, claims });
        }
    }

    pub(crate) fn find(
        &mut self,
        kind: FindingKind,
        row: u64,
        id: Option<String>,
        detail: impl Into<String>,
    ) {
        self.keep(Finding { kind, row, id, detail: detail.into() });
    }

    pub(crate) fn keep(&mut self, finding: Finding) {
        let group = self.findings.entry(finding.kind.as_str()).or_default();
        group.count += 1;
        if group.rows.len() < ROWS_TOLD {
            group.rows.push(finding.row);
        }
        group.example.get_or_insert(finding);
    }

    pub(crate) fn failed_picture(&mut self, product: &str, url: &str, reason: &str) {
        self.find(FindingKind::Picture, 0, Some(product.to_owned()), format!("{url}: {reason}"));
        if self.failed_pictures.len() < PICTURES_TOLD {
            self.failed_pictures.push(FailedPicture {
                product: product.into(),
                url: url.into(),
                reason: reason.into(),
            });
        }
    }

    pub(crate) fn report(
        self,
        options: &SyncOptions,
        run: u64,
        end: SyncEnd,
        seq: u64,
        took: Duration,
    ) -> Report {
        let (state, approval, error) = match end {
            SyncEnd::Succeeded => ("succeeded", None, None),
            SyncEnd::NeedsApproval(approval) => ("needs_approval", Some(approval), None),
            SyncEnd::Cancelled => ("cancelled", None, None),
            SyncEnd::Failed(error) => ("failed", None, Some(error)),
        };
        Report {
            source: options.source.clone(),
            run: if options.dry_run { 0 } else { run },
            state: state.into(),
            dry_run: options.dry_run,
            format: self.format.as_ref().map(|(format, _)| format.clone()),
            encoding: self.format.map(|(_, encoding)| encoding),
            not_modified: self.not_modified,
            partial: self.partial,
            counts: self.counts,
            kept: self.kept,
            pictures: self.pictures,
            findings: self.findings,
            failed_pictures: self.failed_pictures,
            diff: self.diff,
            approval,
            error,
            seq,
            seconds: (took.as_secs_f64() * 1e3).round() / 1e3,
        }
    }
}
