//! What an audit found out about claims, and what people decided about it.
//!
//! Findings are derived: each audit replaces them all, and leaves its numbers. Decisions are not: they carry a copy of
//! the finding they were made about, and stay until they are taken back.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::apply::now_ms;
use crate::error::Failure;
use crate::{Catalogue, Result};

/// One doubt about one product. In JSON the members are named as here, absent ones are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The same doubt about the same claim has the same id in every audit.
    pub id: String,
    /// The product's id.
    pub product: String,
    /// What kind of doubt: `category`, `colour`, `title`, `copy`, `overlay`, `collage`, ...
    pub kind: String,
    /// The member that claims it, such as `product_type` or `images`.
    pub field: String,
    /// That the doubt is right, 0..=1.
    pub probability: f64,
    /// What the seller says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claimed: Vec<String>,
    /// What we see, with probabilities or shares, likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<(String, f64)>,
    /// The image it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The picture that this image shows, 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Others that say so, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Witness>,
    /// In a few words, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A product that speaks for a finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// Its id.
    pub product: String,
    /// The image to look at.
    pub image: String,
    /// What it claims itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claimed: Vec<String>,
    /// How alike it is, 0..=1.
    pub likeness: f64,
}

/// What a person decided about a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The finding as it was then.
    pub finding: Finding,
    /// The finding is right: the claim is wrong. False: the claim stands.
    pub accepted: bool,
    /// What the person wrote.
    pub note: Option<String>,
    /// Milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// One audit in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    /// Grows.
    pub audit: u64,
    /// When it ended, in milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// Products that there were.
    pub products: u64,
    /// By the kind of finding.
    pub found: BTreeMap<String, Tally>,
}

/// Findings of one kind in one audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub found: u64,
    /// Those that nobody had decided about.
    pub open: u64,
}

/// Where a list of findings goes on: behind the finding of this probability and id.
pub type FindingPlace = (f64, String);

/// Audits whose numbers are kept: one a day for three years.
const AUDITS_KEPT: u64 = 1_100;

/// Which findings are wanted; everything `None` is all.
#[derive(Clone, Debug, Default)]
pub struct FindingFilter {
    /// Of this kind.
    pub kind: Option<String>,
    /// About this product.
    pub product: Option<String>,
    /// `Some(true)`: with a decision; `Some(false)`: without.
    pub decided: Option<bool>,
}

#[allow(clippy::missing_errors_doc)] // as all calls that change or read, see `Catalogue`
impl Catalogue {
    /// Puts `findings` in the place of those of the last audit, and their numbers beside those of the audits before.
    /// Decisions stay.
    pub fn replace_findings(&self, findings: Vec<Finding>) -> Result<()> {
        self.write(move |tx| {
            tx.execute("DELETE FROM findings", [])?;
            let mut insert = tx.prepare_cached(
                "INSERT OR REPLACE INTO findings(finding, product, kind, probability, body) VALUES (?, ?, ?, ?, ?)",
            )?;
            for f in &findings {
                let body = serde_json::to_string(f)
                    .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                insert.execute(params![f.id, f.product, f.kind, f.probability, body])?;
            }
            note_audit(tx)
        })
    }

    /// The audits that were made, the latest first, behind number `before` if it is given; at most `limit`.
    pub fn audits(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditRecord>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT found, audit, at_ms, products FROM audits WHERE audit < ? ORDER BY audit DESC LIMIT ?",
            )?;
            let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
            let rows = query.query_map(params![before, clamp(limit)], |row| {
                Ok(AuditRecord {
                    found: from_json(row)?,
                    audit: row.get::<_, i64>(1)? as u64,
                    at_ms: row.get::<_, i64>(2)? as u64,
                    products: row.get::<_, i64>(3)? as u64,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The findings that pass, each with its decision if it has one, most probable first; `limit` of them behind
    /// `after`.
    pub fn findings(
        &self,
        filter: &FindingFilter,
        after: Option<&FindingPlace>,
        limit: usize,
    ) -> Result<Vec<(Finding, Option<Decision>)>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT f.body, d.accepted, d.note, d.at_ms \
                 FROM findings f LEFT JOIN decisions d USING (finding) \
                 WHERE (?1 IS NULL OR f.kind = ?1) AND (?2 IS NULL OR f.product = ?2) \
                 AND (?3 IS NULL OR (d.accepted IS NOT NULL) = ?3) \
                 AND (?5 IS NULL OR f.probability < ?5 OR f.probability = ?5 AND f.finding > ?6) \
                 ORDER BY f.probability DESC, f.finding LIMIT ?4",
            )?;
            let (probability, finding_id) = after.map(|(p, id)| (*p, id)).unzip();
            let values =
                params![filter.kind, filter.product, filter.decided, clamp(limit), probability, finding_id];
            let rows = query.query_map(values, |row| {
                let finding = finding(row)?;
                let decision =
                    row.get::<_, Option<bool>>(1)?.map(|accepted| decision(row, &finding, accepted));
                Ok((finding, decision.transpose()?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Remembers, or with `None` forgets, what a person decided about a finding of the last audit or about one
    /// decided before. `false`: there is no such finding.
    pub fn decide(&self, id: &str, accepted: Option<bool>, note: Option<&str>) -> Result<bool> {
        let (id, note) = (id.to_owned(), note.map(|n| n.chars().take(2000).collect::<String>()));
        self.write(move |tx| {
            let Some(accepted) = accepted else {
                let known = tx
                    .query_row("SELECT 1 FROM findings WHERE finding = ?", [&id], |_| Ok(()))
                    .optional()?
                    .is_some();
                return Ok(tx.execute("DELETE FROM decisions WHERE finding = ?", [&id])? > 0 || known);
            };
            let copied = tx.execute(
                "INSERT OR REPLACE INTO decisions(finding, product, kind, probability, body, accepted, note, at_ms) \
                 SELECT finding, product, kind, probability, body, ?2, ?3, ?4 FROM findings WHERE finding = ?1",
                params![id, accepted, note, now_ms()],
            )?;
            if copied > 0 {
                return Ok(true);
            }
            let changed = tx.execute(
                "UPDATE decisions SET accepted = ?2, note = ?3, at_ms = ?4 WHERE finding = ?1",
                params![id, accepted, note, now_ms()],
            )?;
            Ok(changed > 0)
        })
    }

    /// All decisions, oldest first: what a training takes as clean labels.
    pub fn decisions(&self) -> Result<Vec<Decision>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT body, accepted, note, at_ms FROM decisions \
                 ORDER BY at_ms, finding",
            )?;
            let rows = query.query_map([], |row| {
                let accepted = row.get(1)?;
                decision(row, &finding(row)?, accepted)
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Counts the findings that are there now.
fn note_audit(tx: &Connection) -> Result<(), Failure> {
    let mut found = BTreeMap::<String, Tally>::new();
    let mut query = tx.prepare_cached(
        "SELECT f.kind, count(*), count(*) - count(d.finding) FROM findings f LEFT JOIN decisions d USING (finding) \
         GROUP BY f.kind",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let number = |column| row.get::<_, i64>(column).map(|n| n as u64);
        found.insert(row.get(0)?, Tally { found: number(1)?, open: number(2)? });
    }
    let body =
        serde_json::to_string(&found).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    tx.prepare_cached("INSERT INTO audits(at_ms, products, found) SELECT ?, count(*), ? FROM products")?
        .execute(params![now_ms(), body])?;
    tx.prepare_cached("DELETE FROM audits WHERE audit <= (SELECT max(audit) FROM audits) - ?")?
        .execute([AUDITS_KEPT as i64])?;
    Ok(())
}

fn finding(row: &Row<'_>) -> Result<Finding, rusqlite::Error> {
    from_json(row)
}

/// Of the first column.
fn from_json<T: DeserializeOwned>(row: &Row<'_>) -> Result<T, rusqlite::Error> {
    let body = row.get_ref(0)?.as_str()?;
    serde_json::from_str(body)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e.into()))
}

fn decision(row: &Row<'_>, finding: &Finding, accepted: bool) -> Result<Decision, rusqlite::Error> {
    Ok(Decision {
        finding: finding.clone(),
        accepted,
        note: row.get(2)?,
        at_ms: row.get::<_, i64>(3)? as u64,
    })
}

fn clamp(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CatalogueName, Home, Settings};

    fn doubt(id: &str, probability: f64) -> Finding {
        Finding {
            id: id.into(),
            product: format!("product of {id}"),
            kind: "category".into(),
            probability,
            claimed: vec![id.into()],
            ..Finding::default()
        }
    }

    #[test]
    fn decisions_outlive_the_findings_they_were_made_about() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let catalogue = home.create(&CatalogueName::parse("a").unwrap(), Settings::default()).unwrap();
        catalogue.replace_findings(vec![doubt("low", 0.2), doubt("high", 0.9)]).unwrap();
        let all = FindingFilter::default();
        let ids = |filter: &FindingFilter| {
            let found = catalogue.findings(filter, None, 10).unwrap();
            found.into_iter().map(|(f, d)| (f.id, d.map(|d| d.accepted))).collect::<Vec<_>>()
        };
        assert_eq!(ids(&all), [("high".into(), None), ("low".into(), None)]);
        assert!(catalogue.decide("high", Some(true), Some("indeed")).unwrap());
        assert!(catalogue.decide("low", Some(false), None).unwrap());
        assert!(!catalogue.decide("never", Some(true), None).unwrap());
        assert_eq!(ids(&all), [("high".into(), Some(true)), ("low".into(), Some(false))]);
        assert_eq!(ids(&FindingFilter { decided: Some(false), ..all.clone() }), []);

        // The next audit no longer sees one of them.
        catalogue.replace_findings(vec![doubt("low", 0.3), doubt("new", 0.5)]).unwrap();
        assert_eq!(ids(&all), [("new".into(), None), ("low".into(), Some(false))]);
        assert_eq!(ids(&FindingFilter { product: Some("product of new".into()), ..all }).len(), 1);
        let decided = catalogue.decisions().unwrap();
        assert_eq!(decided.len(), 2);
        assert!(
            decided.iter().any(|d| d.finding == doubt("high", 0.9) && d.note.as_deref() == Some("indeed"))
        );

        // A list goes on behind its last item, also when that is gone meanwhile.
        let rest = |probability, id: &str| {
            let place = (probability, id.to_owned());
            let found = catalogue.findings(&FindingFilter::default(), Some(&place), 10).unwrap();
            found.into_iter().map(|(f, _)| f.id).collect::<Vec<_>>()
        };
        assert_eq!(rest(0.5, "new"), ["low"]);
        assert_eq!(rest(0.5, "gone"), ["new", "low"]);
        assert_eq!(rest(0.3, "low"), Vec::<String>::new());

        // Both audits left their numbers.
        let audits = catalogue.audits(None, 10).unwrap();
        let numbers: Vec<_> = audits.iter().map(|audit| audit.found["category"]).collect();
        assert_eq!(numbers, [Tally { found: 2, open: 1 }, Tally { found: 2, open: 2 }]);
        assert_eq!(catalogue.audits(Some(audits[0].audit), 10).unwrap(), audits[1..]);

        // A person may think again, also about what is no longer found, and may take it back.
        assert!(catalogue.decide("high", Some(false), None).unwrap());
        assert!(catalogue.decide("low", None, None).unwrap());
        let decided = catalogue.decisions().unwrap();
        assert_eq!(
            decided.iter().map(|d| (&*d.finding.id, d.accepted)).collect::<Vec<_>>(),
            [("high", false)]
        );
    }
}
