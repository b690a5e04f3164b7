//! Google Merchant text, tables with a mapping file, and tables whose columns have usual names.

use crate::draft::Draft;
use crate::read::Out;
use crate::recognise::{Format, column, delimiter};
use crate::table::{Record, Table};
use crate::{FeedError, FindingKind, Result, Settings, words};
use std::io::Read;

pub(crate) fn read(
    input: impl Read,
    head: &str,
    format: &Format,
    settings: &Settings,
    out: &mut Out<'_>,
) -> Result<()> {
    let mapping = settings.mapping.as_ref().filter(|_| *format == Format::MappedTable);
    let delimiter = mapping.and_then(|m| m.delimiter).map_or_else(|| delimiter(head), |c| c as u8);
    let mut rows = Rows::open(input, head, delimiter, settings)?;
    if let Some(missing) = mapping.and_then(|mapping| mapping.missing(&rows.header)) {
        return Err(FeedError::Mapping(format!(
            "the table has no column '{missing}'; its columns are {}",
            rows.header.join(", ")
        )));
    }
    let names = names(&rows.header, format);
    if *format == Format::GuessedTable {
        let pairs: Vec<String> = rows
            .header
            .iter()
            .zip(&names)
            .filter(|(theirs, ours)| column(theirs) != **ours)
            .map(|(theirs, ours)| format!("{theirs} as {ours}"))
            .collect();
        if !pairs.is_empty() {
            out.finding(
                FindingKind::GuessedColumns,
                1,
                None,
                format!("columns are read by their usual names: {}", pairs.join(", ")),
            );
        }
    }
    while let Some((line, cells)) = rows.next(out)? {
        let mut draft = Draft::new(settings, line);
        rows.odd(&cells, &mut draft);
        match mapping {
            Some(mapping) => mapping
                .apply(&rows.header, &cells)
                .iter()
                .for_each(|(name, value)| draft.claim(&column(name), value)),
            None => names.iter().zip(&cells).for_each(|(name, cell)| draft.claim(name, cell)),
        }
        draft.finish(out);
    }
    Ok(())
}

/// Our name for each column. Of several columns that could be the id, the surest is; the others are attributes.
fn names(header: &[String], format: &Format) -> Vec<String> {
    let plain: Vec<String> = header.iter().map(|name| column(name)).collect();
    // `shipping(country:price)`
    let bare = |name: &str| name.split('(').next().unwrap_or_default().trim_end_matches('_').to_owned();
    let ranks: Vec<Option<(&str, usize)>> = plain.iter().map(|name| words::usual(name)).collect();
    plain
        .iter()
        .zip(&ranks)
        .map(|(name, rank)| match rank {
            Some((ours, 0)) => (*ours).to_owned(),
            Some((ours, rank)) => {
                let better = ranks.iter().flatten().any(|(other, r)| other == ours && r < rank);
                // In Google's own feeds a column that is not Google's means something else, unless Google's is missing.
                let taken = better || (*format == Format::MerchantTable && name == "sku");
                if taken { name.clone() } else { (*ours).to_owned() }
            }
            None if name.contains('(') => bare(name),
            None => name.clone(),
        })
        .collect()
}

/// Rows of a table with a header.
pub(crate) struct Rows<R> {
    table: Table<R>,
    pub(crate) header: Vec<String>,
    /// Some rows have fewer cells than the header, and are whole.
    ragged: bool,
    /// The line of a row that cannot be read, while its other lines may follow.
    broken: Option<u64>,
}

impl<R: Read> Rows<R> {
    pub(crate) fn open(input: R, head: &str, delimiter: u8, settings: &Settings) -> Result<Self> {
        let mut table = Table::new(input, delimiter, head, &settings.limits);
        loop {
            match table.next()? {
                Some(Record::Row { cells, .. }) => {
                    let mut header: Vec<String> = cells
                        .into_iter()
                        .map(|cell| cell.trim_matches(['\u{feff}', ' ', '\t', '\u{a0}']).to_owned())
                        .collect();
                    while header.last().is_some_and(String::is_empty) {
                        header.pop();
                    }
                    table.width = Some(header.len());
                    return Ok(Self { table, header, ragged: false, broken: None });
                }
                Some(Record::Bad { .. }) => {}
                None => return Err(FeedError::Empty),
            }
        }
    }

    /// The next row that is one; others are told.
    pub(crate) fn next(&mut self, out: &mut Out<'_>) -> Result<Option<(u64, Vec<String>)>> {
        while let Some(record) = self.table.next()? {
            if out.stopped() {
                return Ok(None);
            }
            match record {
                Record::Bad { line, reason } => {
                    // What follows within one broken row is not told again.
                    if self.broken.replace(line).is_none() {
                        out.bad_row(line, format!("line {line} cannot be read: {reason}"));
                    }
                }
                Record::Row { line, cells, control, last } => {
                    let short = cells.len() < self.header.len();
                    if self.broken.is_some() && short && !self.ragged {
                        continue; // a line of a text whose quote was lost
                    }
                    self.broken = None;
                    if last && short && !self.ragged {
                        out.skipped();
                        out.cut_off(format!("the table ends in the middle of the row in line {line}"));
                        return Ok(None);
                    }
                    self.ragged |= short;
                    if control {
                        out.finding(
                            FindingKind::ControlCharacters,
                            line,
                            None,
                            "NUL or control characters were dropped",
                        );
                    }
                    if cells.len() >= self.header.len()
                        && self.header.iter().zip(&cells).all(|(h, c)| column(h) == column(c))
                    {
                        out.finding(FindingKind::RepeatedHeader, line, None, "the header stands here again");
                    } else {
                        return Ok(Some((line, cells)));
                    }
                }
            }
        }
        if let Some(line) = self.broken {
            out.cut_off(format!("the table ends in the middle of the row in line {line}"));
        }
        Ok(None)
    }

    /// Tells of a row that has more or fewer cells than the header.
    pub(crate) fn odd(&self, cells: &[String], draft: &mut Draft<'_>) {
        let (found, expected) = (cells.len(), self.header.len());
        let extra = cells.iter().skip(expected).any(|cell| !cell.trim().is_empty());
        if found < expected || extra {
            draft.find(FindingKind::CellCount, format!("{found} cells where the header has {expected}"));
        }
    }
}
