//! Rows of delimited text, tolerant of what spreadsheets and shops do to quotes.
//!
//! In: UTF-8. Out: rows with the line on which they begin. The memory is that of one row. A quote that never closes costs
//! its own line and no other: the text is read ahead at most one cell's limit, and then again from the next line. Rows of
//! tab-separated text are read with quotes only where every quote in them is balanced, else as they stand. Where doubled
//! quotes give no row of the header's width, `\"` may be what this writer doubles them with.

use crate::Limits;
use std::io::{self, Read};

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// One row, or a line that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Row {
        line: u64,
        cells: Vec<String>,
        control: bool,
        /// The text ends without the end of this line.
        last: bool,
    },
    Bad {
        line: u64,
        reason: &'static str,
    },
}

/// Reads rows one by one.
pub(crate) struct Table<R> {
    input: R,
    buf: Vec<u8>,
    start: usize,
    ended: bool,
    failed: Option<io::Error>,
    delimiter: u8,
    /// Lines end with a lone CR in this file.
    lone_cr: bool,
    /// Number of the line at `start`.
    line: u64,
    /// Cells of the header.
    pub(crate) width: Option<usize>,
    cell_limit: usize,
    row_limit: usize,
}

/// How quotes are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// They are text.
    Plain,
    /// Around cells; inside of them doubled.
    Doubled,
    /// Around cells; inside of them behind a backslash.
    Escaped,
}

/// What a look at the text gave.
enum Attempt {
    Row {
        cells: Vec<(Vec<u8>, bool)>,
        used: usize,
        lines: u64,
    },
    /// It may go on beyond what is in memory.
    More,
    Broken(&'static str),
}

impl<R: Read> Table<R> {
    /// `head`: the beginning of the text, looked at for its kind of line ends; it is not taken from `input`.
    pub(crate) fn new(input: R, delimiter: u8, head: &str, limits: &Limits) -> Self {
        Self {
            input,
            buf: Vec::new(),
            start: 0,
            ended: false,
            failed: None,
            delimiter,
            lone_cr: head.contains('\r') && !head.contains('\n'),
            line: 1,
            width: None,
            cell_limit: limits.cell_bytes,
            row_limit: limits.row_bytes,
        }
    }

    /// The next row; blank lines are passed over. An error of the input comes after the rows that were whole.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            if self.start == self.buf.len() && !self.pull()? {
                return Ok(None);
            }
            let line = self.line;
            let mut attempt = self.attempt(Quotes::Doubled)?;
            let looked_at = match &attempt {
                Attempt::Row { used, .. } => &self.buf[self.start..self.start + used],
                _ => &self.buf[self.start..],
            };
            if !self.fits(&attempt) && looked_at.windows(2).any(|two| two == b"\\\"") {
                let escaped = self.attempt(Quotes::Escaped)?;
                if self.fits(&escaped) {
                    attempt = escaped;
                }
            }
            let record = match attempt {
                Attempt::Row { cells, used, lines }
                    if lines == 1 || self.width.is_none_or(|w| w == cells.len()) =>
                {
                    self.take(used, lines);
                    cells
                }
                // A row over several lines that has not the header's cells has swallowed its neighbours.
                Attempt::Row { .. } if self.delimiter != b'\t' => {
                    self.skip_line()?;
                    return Ok(Some(Record::Bad { line, reason: "a quote opens and closes in another row" }));
                }
                Attempt::Broken(reason) if self.delimiter != b'\t' => {
                    self.skip_line()?;
                    return Ok(Some(Record::Bad { line, reason }));
                }
                _ => match self.attempt(Quotes::Plain)? {
                    Attempt::Row { cells, used, lines } => {
                        self.take(used, lines);
                        cells
                    }
                    Attempt::Broken(reason) => {
                        self.skip_line()?;
                        return Ok(Some(Record::Bad { line, reason }));
                    }
                    Attempt::More => return Ok(None),
                },
            };
            if let [(only, false)] = &record[..]
                && only.iter().all(u8::is_ascii_whitespace)
            {
                continue;
            }
            let mut control = false;
            let cells = record
                .into_iter()
                .map(|(mut cell, _)| {
                    let before = cell.len();
                    cell.retain(|b| *b >= b' ' || matches!(b, b'\n' | b'\r' | b'\t'));
                    control |= cell.len() != before;
                    String::from_utf8(cell)
                        .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
                })
                .collect();
            let last = self.ended && self.start == self.buf.len() && !self.ends_whole();
            return Ok(Some(Record::Row { line, cells, control, last }));
        }
    }

    /// Whether it is a row of the header's width, or the header itself.
    fn fits(&self, attempt: &Attempt) -> bool {
        matches!(attempt, Attempt::Row { cells, .. } if self.width.is_none_or(|width| width == cells.len()))
    }

    /// Whether what was read ends with the end of a line.
    fn ends_whole(&self) -> bool {
        matches!(self.buf.last(), Some(b'\n' | b'\r'))
    }

    fn take(&mut self, used: usize, lines: u64) {
        self.start += used;
        self.line += lines;
    }

    /// Reads more; false at the end. What the input fails with is kept until all that came before is given.
    fn pull(&mut self) -> io::Result<bool> {
        if self.ended {
            return match self.failed.take() {
                Some(error) if self.start == self.buf.len() => Err(error),
                failed => {
                    self.failed = failed;
                    Ok(false)
                }
            };
        }
        if self.start > 0 {
            self.buf.drain(..self.start);
            self.start = 0;
        }
        let before = self.buf.len();
        self.buf.resize(before + CHUNK, 0);
        loop {
            match self.input.read(&mut self.buf[before..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.buf.truncate(before);
                    (self.ended, self.failed) = (true, Some(e));
                    // The last line may be cut: it is not whole, and is not given.
                    let whole = self.buf.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
                    self.buf.truncate(whole.max(self.start));
                    return match self.failed.take() {
                        Some(error) if self.start == self.buf.len() => Err(error),
                        failed => {
                            self.failed = failed;
                            Ok(true)
                        }
                    };
                }
                Ok(n) => {
                    self.buf.truncate(before + n);
                    self.ended = n == 0;
                    return Ok(n > 0);
                }
            }
        }
    }

    /// Looks at the next row, reading as much as it takes.
    fn attempt(&mut self, quotes: Quotes) -> io::Result<Attempt> {
        loop {
            let attempt = self.look(quotes);
            match attempt {
                Attempt::More => {
                    if self.buf.len() - self.start > self.row_limit {
                        return Ok(Attempt::Broken("it is longer than a row may be"));
                    }
                    if !self.pull()? && !self.ended {
                        return Ok(Attempt::More);
                    }
                }
                other => return Ok(other),
            }
        }
    }

    /// Whether more may follow the byte at `at` of the present text that has not been read yet.
    fn is_last(&self, at: usize) -> bool {
        !self.ended && self.start + at + 1 == self.buf.len()
    }

    fn ends_line(&self, text: &[u8], at: usize) -> Option<usize> {
        match text[at] {
            b'\n' => Some(1),
            b'\r' if text.get(at + 1) == Some(&b'\n') => Some(2),
            b'\r' if self.lone_cr => Some(1),
            _ => None,
        }
    }

    fn look(&self, quotes: Quotes) -> Attempt {
        let text = &self.buf[self.start..];
        let mut cells = Vec::new();
        let (mut at, mut lines) = (0, 1);
        loop {
            // One cell, from `at`.
            let blanks = text[at..].iter().take_while(|b| **b == b' ').count();
            if quotes != Quotes::Plain && text.get(at + blanks) == Some(&b'"') {
                let mut cell = Vec::new();
                let mut crossed = false;
                let mut i = at + blanks + 1;
                loop {
                    let Some(&byte) = text.get(i) else {
                        return if self.ended {
                            Attempt::Broken("a quote opens and never closes")
                        } else {
                            Attempt::More
                        };
                    };
                    if cell.len() > self.cell_limit {
                        return Attempt::Broken(
                            "a cell is larger than a cell may be, or its quote never closes",
                        );
                    }
                    if quotes == Quotes::Escaped
                        && byte == b'\\'
                        && let Some(&escaped @ (b'"' | b'\\')) = text.get(i + 1)
                    {
                        cell.push(escaped);
                        i += 2;
                        continue;
                    }
                    if byte == b'"' {
                        if text.get(i + 1) == Some(&b'"') {
                            cell.push(b'"');
                            i += 2;
                            continue;
                        }
                        let after = i + 1 + text[i + 1..].iter().take_while(|b| **b == b' ').count();
                        match text.get(after) {
                            None if !self.ended => return Attempt::More,
                            Some(b'\r') if self.is_last(after) => return Attempt::More,
                            None => {
                                i = after;
                                break;
                            }
                            Some(&b) if b == self.delimiter || self.ends_line(text, after).is_some() => {
                                i = after;
                                break;
                            }
                            // `"12" lamp"`: a quote inside a quoted cell, as long as it is one line.
                            Some(_) if !crossed => {}
                            Some(_) => return Attempt::Broken("a quote opens and closes in another row"),
                        }
                    }
                    if byte == b'\r' && self.is_last(i) {
                        return Attempt::More;
                    }
                    if let Some(width) = self.ends_line(text, i) {
                        (crossed, lines) = (true, lines + 1);
                        cell.push(b'\n');
                        i += width;
                        continue;
                    }
                    cell.push(byte);
                    i += 1;
                }
                cells.push((cell, true));
                at = i;
            } else {
                let delimiter = self.delimiter;
                let len = text[at..].iter().position(|&b| b == delimiter || b == b'\n' || b == b'\r');
                let mut end = at + len.unwrap_or(text.len() - at);
                // A CR inside a line of a file whose lines end otherwise.
                while end < text.len() && text[end] == b'\r' && self.ends_line(text, end).is_none() {
                    if self.is_last(end) {
                        return Attempt::More;
                    }
                    let next =
                        text[end + 1..].iter().position(|&b| b == delimiter || b == b'\n' || b == b'\r');
                    end = next.map_or(text.len(), |n| end + 1 + n);
                }
                if end == text.len() && !self.ended {
                    return Attempt::More;
                }
                if end - at > self.cell_limit {
                    return Attempt::Broken("a cell is larger than a cell may be");
                }
                cells.push((text[at..end].to_vec(), false));
                at = end;
            }
            if at >= text.len() {
                return Attempt::Row { cells, used: text.len(), lines };
            }
            if text[at] == self.delimiter {
                at += 1;
                continue;
            }
            if text[at] == b'\r' && self.is_last(at) {
                return Attempt::More;
            }
            let width = self.ends_line(text, at).unwrap_or(1);
            return Attempt::Row { cells, used: at + width, lines };
        }
    }

    /// Leaves the present line, however long it is.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let text = &self.buf[self.start..];
            let end = text.iter().position(|&b| b == b'\n' || (b == b'\r' && self.lone_cr));
            match end {
                Some(end) => {
                    self.take(end + 1, 1);
                    return Ok(());
                }
                None => {
                    self.start = self.buf.len();
                    if !self.pull()? {
                        return Ok(());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, delimiter: u8) -> Vec<Record> {
        let mut table = Table::new(text.as_bytes(), delimiter, text, &Limits::default());
        let mut out = Vec::new();
        while let Some(record) = table.next().unwrap() {
            if let Record::Row { cells, .. } = &record {
                table.width.get_or_insert(cells.len());
            }
            out.push(record);
        }
        out
    }

    fn rows(text: &str, delimiter: u8) -> Vec<(u64, Vec<String>)> {
        let row = |record| match record {
            Record::Row { line, cells, .. } => (line, cells),
            Record::Bad { line, .. } => (line, vec!["BAD".to_owned()]),
        };
        read(text, delimiter).into_iter().map(row).collect()
    }

    fn check(text: &str, delimiter: u8, expected: &[(u64, &[&str])]) {
        let found = rows(text, delimiter);
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, cells)| (*line, cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn every_kind_of_line_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "1,\"x", "y\"", "", "2,z"].join(end);
            check(&text, b',', &[(1, &["a", "b"]), (2, &["1", "x\ny"]), (5, &["2", "z"])]);
        }
        check("a,b\n1,x\ry\n2,z", b',', &[(1, &["a", "b"]), (2, &["1", "x\ry"]), (3, &["2", "z"])]);
        check("a,b\n1,\"z\"", b',', &[(1, &["a", "b"]), (2, &["1", "z"])]);
        check("", b',', &[]);
    }

    #[test]
    fn quotes_inside_and_around() {
        check(
            "a,b,c\n1,\"say \"\"hi\"\", ok\", \"x\" \n",
            b',',
            &[(1, &["a", "b", "c"]), (2, &["1", "say \"hi\", ok", "x"])],
        );
        check(
            "a,b\n1,\"12\" lamp\"\n2,5\" nail\n",
            b',',
            &[(1, &["a", "b"]), (2, &["1", "12\" lamp"]), (3, &["2", "5\" nail"])],
        );
    }

    #[test]
    fn a_quote_that_never_closes_costs_one_row() {
        let bad: &[&str] = &["BAD"];
        check(
            "a,b\n1,\"x\n2,y\n3,z\n",
            b',',
            &[(1, &["a", "b"]), (2, bad), (3, &["2", "y"]), (4, &["3", "z"])],
        );
        check(
            "a,b,c\n1,\"say \\\"hi\\\", ok\",x\n2,\"C:\\\",y\n",
            b',',
            &[(1, &["a", "b", "c"]), (2, &["1", "say \"hi\", ok", "x"]), (3, &["2", "C:\\", "y"])],
        );
        // Also when a later quote would close it.
        check(
            "a,b\n1,\"x\n2,\"y\"\n3,z\n",
            b',',
            &[(1, &["a", "b"]), (2, bad), (3, &["2", "y"]), (4, &["3", "z"])],
        );
        check(
            "a,b\n1,\"x\n2,y\",z\n3,z\n",
            b',',
            &[(1, &["a", "b"]), (2, bad), (3, &["2", "y\"", "z"]), (4, &["3", "z"])],
        );
        // And when the rest of the file is longer than a cell may be.
        let long = format!("a,b\n1,\"x\n{}", "2,yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n".repeat(60_000));
        let found = rows(&long, b',');
        assert_eq!(found.len(), 60_002);
        assert_eq!(found.iter().filter(|(_, cells)| cells[0] == "BAD").count(), 1);
    }

    #[test]
    fn tabs_are_unquoted_unless_every_quote_is_balanced() {
        check(
            "a\tb\n1\tlamp 12\" tall\n2\t\"half\n3\tz\n",
            b'\t',
            &[(1, &["a", "b"]), (2, &["1", "lamp 12\" tall"]), (3, &["2", "\"half"]), (4, &["3", "z"])],
        );
        check(
            "a\tb\n1\t\"two\nlines, \"\"q\"\"\"\n3\tz\n",
            b'\t',
            &[(1, &["a", "b"]), (2, &["1", "two\nlines, \"q\""]), (4, &["3", "z"])],
        );
    }

    #[test]
    fn what_no_one_should_write_is_dropped_and_told() {
        let records = read("a,b\n1,x\0y\u{1}\n", b',');
        let cells = vec!["1".into(), "xy".into()];
        assert_eq!(records[1], Record::Row { line: 2, cells, control: true, last: false });
        let huge = format!("a,b\n1,{}\n2,z\n", "x".repeat(3 << 20));
        let records = read(&huge, b',');
        assert!(
            matches!(records[1], Record::Bad { line: 2, .. }) && records.len() == 3,
            "{:?}",
            records.len()
        );
        assert!(matches!(&records[2], Record::Row { line: 3, .. }));
    }

    /// However the text is cut into reads, the rows are the same.
    #[test]
    fn rows_do_not_depend_on_reads() {
        struct Dripping<'a>(&'a [u8], usize);
        impl Read for Dripping<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let n = self.1.min(into.len()).min(self.0.len());
                into[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let text = "a,b\r\n1,\"x \"\"q\"\"\r\ny\"\r\n\r\n2,\"open\r\n3,\"z\" \r\n4,\"12\" w\"\r\n5,e";
        let whole = read(text, b',');
        for step in 1..9 {
            let mut table = Table::new(Dripping(text.as_bytes(), step), b',', text, &Limits::default());
            table.width = Some(2);
            let mut out = Vec::new();
            while let Some(record) = table.next().unwrap() {
                out.push(record);
            }
            assert_eq!(out, whole, "step {step}");
        }
    }
}
