//! Click logs: one JSON object a line, in the shape of the server's feedback export, or a Parquet file with such columns
//! (docs/formats/click-log.md).
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use crate::error::TrainError;

/// One thing that a shopper did with a result. Members that are not listed here are passed over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Click {
    /// RFC 3339, UTC.
    pub at: String,
    /// `click`, `add_to_cart` or `same` say that it was meant; `similar` and `different` say that it was not.
    pub kind: String,
    /// The answer that it belongs to.
    pub search: String,
    /// The product that was searched with, if it was one.
    #[serde(default)]
    pub query_product: Option<String>,
    /// The listing that was clicked.
    pub product: String,
    /// Its place among the results, from 1.
    #[serde(default)]
    pub rank: Option<u32>,
    /// Tells shoppers apart.
    #[serde(default)]
    pub user: Option<String>,
    /// How much it should count, 0..=1.
    #[serde(default = "whole")]
    pub weight: f64,
    /// Name of the photo that was searched with, where it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<String>,
    /// The results, best first, where they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<String>,
}

fn whole() -> f64 {
    1.0
}

impl Click {
    /// Whether the shopper meant this listing.
    #[must_use]
    pub fn is_meant(&self) -> bool {
        ["click", "add_to_cart", "same"].contains(&&self.kind[..])
    }

    pub(crate) fn checked(self) -> Result<Self, String> {
        match self.weight {
            weight if (0.0..=1.0).contains(&weight) => Ok(self),
            weight => Err(format!("`weight` is {weight}, it must be in 0..=1")),
        }
    }

    /// The day, for what counts once a day.
    pub(crate) fn day(&self) -> &str {
        self.at.get(..10).unwrap_or(&self.at)
    }

    /// What was searched with: a photo, or a product.
    pub(crate) fn asked_with(&self) -> Option<&str> {
        self.photo.as_deref().or(self.query_product.as_deref())
    }
}

/// A log in the order it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClickLog {
    /// Its events.
    pub clicks: Vec<Click>,
}

/// Longest line that is read, bytes; a click with 100 results has some 5,000.
const LINE_BYTES_MAX: usize = 1 << 20;

impl ClickLog {
    /// Reads a whole log.
    ///
    /// # Errors
    /// [`TrainError::Clicks`] with the line or row that is no click; [`TrainError::NoParquet`]; [`TrainError::Io`].
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let bad = |line: usize, reason: String| TrainError::Clicks { path: path.into(), line, reason };
        let mut input = BufReader::new(File::open(path).map_err(|e| TrainError::io(path, e))?);
        if input.fill_buf().map_err(|e| TrainError::io(path, e))?.starts_with(b"PAR1") {
            #[cfg(feature = "parquet")]
            return super::parquet::read(path);
            #[cfg(not(feature = "parquet"))]
            return Err(TrainError::NoParquet { path: path.into() });
        }
        let (mut clicks, mut text) = (Vec::new(), String::new());
        for line in 1.. {
            text.clear();
            // The limit holds before the memory is spent.
            let read = std::io::Read::take(&mut input, LINE_BYTES_MAX as u64 + 1).read_line(&mut text);
            let read = read.map_err(|e| match e.kind() {
                std::io::ErrorKind::InvalidData => bad(line, "is not UTF-8".into()),
                _ => TrainError::io(path, e),
            })?;
            if read == 0 {
                break;
            }
            if read > LINE_BYTES_MAX {
                return Err(bad(line, format!("has more than {LINE_BYTES_MAX} bytes")));
            }
            if text.trim().is_empty() {
                continue;
            }
            let click: Click = serde_json::from_str(&text).map_err(|e| bad(line, e.to_string()))?;
            clicks.push(click.checked().map_err(|reason| bad(line, reason))?);
        }
        if clicks.is_empty() {
            return Err(bad(1, "the log has no clicks".into()));
        }
        Ok(Self { clicks })
    }

    /// Writes it, one object a line.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let write = || -> std::io::Result<()> {
            let mut out = BufWriter::new(File::create(path)?);
            for click in &self.clicks {
                serde_json::to_writer(&mut out, click)?;
                out.write_all(b"\n")?;
            }
            out.into_inner()?.sync_all()
        };
        write().map_err(|e| TrainError::io(path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_export_is_read_and_what_is_no_click_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.ndjson");
        let line = r#"{"event":7,"at":"2026-11-25T09:00:00Z","kind":"click","search":"s1","query_product":null,"product":"p1","image":"a.jpg","rank":2,"user":"u","seen":true,"weight":0.5}"#;
        std::fs::write(&path, format!("{line}\n\n{line}\n")).unwrap();
        let log = ClickLog::read(&path).unwrap();
        assert_eq!((log.clicks.len(), log.clicks[1].rank, log.clicks[0].weight), (2, Some(2), 0.5));
        log.write(&path).unwrap();
        assert_eq!(ClickLog::read(&path).unwrap(), log);

        for (text, told) in [
            (format!("{line}\n{{\"at\":1}}\n"), 2),
            (line.replace("0.5", "7"), 1),
            (line.replace("\"product\":\"p1\",", ""), 1),
            (String::new(), 1),
            ("a".repeat(LINE_BYTES_MAX + 2), 1),
        ] {
            std::fs::write(&path, text).unwrap();
            match ClickLog::read(&path) {
                Err(TrainError::Clicks { line, .. }) => assert_eq!(line, told),
                other => panic!("{other:?}"),
            }
        }
    }
}
