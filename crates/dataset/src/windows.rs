//! A data set too large to hold: its manifest is walked once and read window by window.
use crate::manifest::{self, ROW_BYTES_MAX};
use crate::place::{Opened, Place};
use crate::{DataSet, DatasetError};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where the rows of a large manifest lie, in pieces of whole shards.
///
/// What is held is a few numbers for each window and the names of the shards, whatever the number of rows. Rows of one shard must follow each other,
/// as they do where a set was written as a stream.
#[derive(Debug)]
pub struct Windows {
    place: Place,
    manifest: PathBuf,
    shown: PathBuf,
    header: Vec<u8>,
    windows: Vec<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start: u64,
    end: u64,
    rows: usize,
}

impl Windows {
    /// Walks `dir/manifest.csv` (or `dir` itself, if it is a manifest) and cuts it into windows of at least `rows` rows,
    /// at borders of shards.
    ///
    /// # Errors
    /// As [`DataSet::open`], for what can be seen without reading cells; [`DatasetError::Scattered`].
    pub fn open(dir: &Path, rows: usize) -> Result<Self, DatasetError> {
        let Opened { place, manifest, shown: path } = Opened::at(dir)?;
        let file = match File::open(&manifest) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(DatasetError::NoManifest { path });
            }
            Err(source) => return Err(DatasetError::Io { path, source }),
        };
        let length = file.metadata().map_err(|source| DatasetError::Io { path: path.clone(), source })?.len();
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(BufReader::new(file));
        let broken = |e: csv::Error| DatasetError::BadManifest {
            path: path.clone(),
            line: e.position().map_or(1, csv::Position::line),
            reason: e.to_string(),
        };
        let mut record = csv::ByteRecord::new();
        reader.read_byte_record(&mut record).map_err(broken)?;
        let columns: Vec<String> =
            record.iter().map(|c| String::from_utf8_lossy(c).trim().to_ascii_lowercase()).collect();
        let column = |name: &str| columns.iter().position(|c| c.trim_start_matches('\u{feff}') == name);
        if column("file").is_none() {
            return Err(DatasetError::NoFileColumn { path, found: columns.join(", ") });
        }
        let shard = column("shard");
        let first = reader.position().byte();
        let mut header = vec![0; first as usize];
        let read = File::open(&manifest).and_then(|mut file| file.read_exact(&mut header));
        read.map_err(|source| DatasetError::Io { path: path.clone(), source })?;

        let (mut windows, mut last, mut known) = (Vec::new(), Vec::new(), HashSet::new());
        let mut now = Window { start: first, end: first, rows: 0 };
        loop {
            let at = reader.position().byte();
            let line = reader.position().line();
            if !reader.read_byte_record(&mut record).map_err(broken)? {
                break;
            }
            if reader.position().byte() - at > ROW_BYTES_MAX {
                let reason = format!("a row has more than {ROW_BYTES_MAX} bytes");
                return Err(DatasetError::BadManifest { path, line, reason });
            }
            let name = shard.and_then(|s| record.get(s)).unwrap_or_default();
            let another = name != &last[..];
            if another && !name.is_empty() && !known.insert(name.to_vec()) {
                let shard = String::from_utf8_lossy(name).into_owned();
                return Err(DatasetError::Scattered { path, line, shard });
            }
            if (another || name.is_empty()) && now.rows >= rows {
                windows.push(Window { end: at, ..now });
                now = Window { start: at, end: at, rows: 0 };
            }
            if another {
                last = name.to_vec();
            }
            now.rows += 1;
        }
        if now.rows > 0 {
            windows.push(Window { end: length, ..now });
        }
        Ok(Self { place, manifest, shown: path, header, windows })
    }

    /// The manifest that was walked, on this machine's disk.
    #[must_use]
    pub fn manifest(&self) -> &Path {
        &self.manifest
    }

    /// Number of windows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether the manifest has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Rows of all windows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.windows.iter().map(|w| w.rows).sum()
    }

    /// The rows of one window, as a data set of their own.
    ///
    /// # Errors
    /// As [`DataSet::open`].
    ///
    /// # Panics
    /// If there is no such window.
    pub fn load(&self, window: usize) -> Result<DataSet, DatasetError> {
        let Window { start, end, .. } = self.windows[window];
        let mut text = self.header.clone();
        let mut read = || -> std::io::Result<usize> {
            let mut file = File::open(&self.manifest)?;
            file.seek(SeekFrom::Start(start))?;
            file.take(end - start).read_to_end(&mut text)
        };
        read().map_err(|source| DatasetError::Io { path: self.shown.clone(), source })?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let (rows, problems) = manifest::parse(&self.shown, text)?;
        Ok(DataSet::of_rows(self.place.clone(), &self.manifest, rows, problems))
    }
}
