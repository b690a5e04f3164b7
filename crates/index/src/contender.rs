//! Speaks the contender protocol of the index benchmark, so that the shipped code is what is measured.
//!
//! In: one command a line, `word key=value ...`. Out: one line each, `ok ...`, `err na` (cannot do that) or
//! `err text`. An attribute of an item is its group here. Inserts and deletes are acknowledged when they are
//! in a log beside the saved index, which stands for the catalogue's change log, and loading applies it. The environment
//! variable `TWINSET_ANN_MEMORY_MB` limits the memory of the nodes.
use crate::{
    Change, ExactIndex, GraphIndex, GraphOptions, GraphSnapshot, IndexError, Metric, Query, Room, Shape,
    Snapshot, VectorIndex,
};
use roaring::RoaringBitmap;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufRead, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Rows of one change.
const LOT: usize = 4096;

/// Which index answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// [`ExactIndex`].
    Exact,
    /// [`GraphIndex`].
    Graph,
}

/// Serves until `quit` or the end of `input`. The environment variable `TWINSET_ANN` says `exact` or `graph`
/// (the default).
///
/// # Errors
/// Reading or writing failed.
pub fn serve(input: impl BufRead, output: impl Write) -> io::Result<()> {
    let which = match std::env::var("TWINSET_ANN").as_deref() {
        Ok("exact") => Which::Exact,
        _ => Which::Graph,
    };
    serve_with(which, input, output)
}

/// As [`serve`], with the index named.
///
/// # Errors
/// Reading or writing failed.
pub fn serve_with(which: Which, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut contender = Contender { which, open: None, queries: Vec::new() };
    for line in input.lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let command = words.next().unwrap_or_default();
        let arguments = Arguments(words.filter_map(|word| word.split_once('=')).collect());
        match contender.run(command, &arguments) {
            Ok(answer) => writeln!(output, "ok {answer}")?,
            Err(why) => writeln!(output, "err {}", why.replace('\n', " "))?,
        }
        output.flush()?;
        if command == "quit" {
            break;
        }
    }
    Ok(())
}

struct Arguments<'a>(HashMap<&'a str, &'a str>);

impl Arguments<'_> {
    fn text(&self, key: &str) -> Result<&str, String> {
        self.0.get(key).copied().ok_or_else(|| format!("{key} is missing"))
    }
    fn number(&self, key: &str) -> Result<usize, String> {
        self.text(key)?.parse().map_err(|e| format!("{key}: {e}"))
    }
    fn number_or(&self, key: &str, default: usize) -> Result<usize, String> {
        if self.0.contains_key(key) { self.number(key) } else { Ok(default) }
    }
}

struct Contender {
    which: Which,
    open: Option<Open>,
    queries: Vec<Vec<f32>>,
}

struct Open {
    index: Box<dyn Ranked>,
    dim: usize,
    dir: PathBuf,
    log: Log,
}

/// An index whose searches take an effort.
trait Ranked: VectorIndex {
    fn ranked(&self) -> Arc<dyn WithEffort>;
    fn settle(&self) {}
}

trait WithEffort {
    fn search(&self, query: &Query<'_>, effort: usize) -> Result<Vec<crate::Candidate>, IndexError>;
}

impl Ranked for ExactIndex {
    fn ranked(&self) -> Arc<dyn WithEffort> {
        self.snapshot()
    }
}
impl Ranked for GraphIndex {
    fn ranked(&self) -> Arc<dyn WithEffort> {
        self.snapshot()
    }
    fn settle(&self) {
        self.settle();
        if self.has_drifted() {
            self.relearn(&|_| None);
        }
    }
}
impl WithEffort for Snapshot {
    fn search(&self, query: &Query<'_>, _: usize) -> Result<Vec<crate::Candidate>, IndexError> {
        self.search(query)
    }
}
impl WithEffort for GraphSnapshot {
    fn search(&self, query: &Query<'_>, effort: usize) -> Result<Vec<crate::Candidate>, IndexError> {
        self.search_with(query, effort)
    }
}

impl Contender {
    fn run(&mut self, command: &str, arguments: &Arguments<'_>) -> Result<String, String> {
        match command {
            "info" => {
                let (name, efforts) = match self.which {
                    Which::Exact => ("exact", "10"),
                    Which::Graph => ("graph", "10,14,20,28,40,56,80,112,160,224,320,450,640,1280"),
                };
                let version = env!("CARGO_PKG_VERSION");
                return Ok(format!("name=twinset-{name} version={version} efforts={efforts}"));
            }
            "create" | "load" => self.open = Some(self.open(arguments, command == "load")?),
            "build" | "insert" => {
                let open = self.open.as_mut().ok_or("no index")?;
                let (from, to) = (arguments.number_or("from", 0)?, arguments.number_or("to", usize::MAX)?);
                // A lot at a time: what is built while the rest is being read needs no memory for it.
                for from in (from..to).step_by(LOT) {
                    let to = to.min(from.saturating_add(LOT));
                    let vectors = floats(arguments.text("base")?, from, to)?;
                    let ids = numbers(arguments.text("ids")?, from, to)?;
                    let attributes = numbers(arguments.text("attrs")?, from, to)?;
                    if ids.len() != vectors.len() || ids.len() != attributes.len() {
                        return Err("the three files differ in length".into());
                    }
                    if ids.is_empty() {
                        break;
                    }
                    let changes: Vec<Change> = (ids.into_iter().zip(attributes).zip(vectors))
                        .map(|((item, group), vector)| Change::Put { item, group, vector })
                        .collect();
                    open.change(&changes, arguments.number_or("threads", 1)?)?;
                }
            }
            "delete" => {
                let open = self.open.as_mut().ok_or("no index")?;
                let (from, to) = (arguments.number_or("from", 0)?, arguments.number_or("to", usize::MAX)?);
                let ids = numbers(arguments.text("ids")?, from, to)?;
                let changes: Vec<Change> = ids.into_iter().map(|item| Change::Remove { item }).collect();
                open.change(&changes, arguments.number_or("threads", 1)?)?;
            }
            "settle" => self.open.as_ref().ok_or("no index")?.index.settle(),
            "save" => {
                let open = self.open.as_mut().ok_or("no index")?;
                open.index.save(&open.dir).map_err(|e| e.to_string())?;
                open.log.clear().map_err(|e| e.to_string())?;
            }
            "queries" => self.queries = floats(arguments.text("path")?, 0, usize::MAX)?,
            "search" => self.search(arguments)?,
            "quit" => (),
            other => return Err(format!("unknown command {other}")),
        }
        Ok(String::new())
    }

    fn open(&self, arguments: &Arguments<'_>, load: bool) -> Result<Open, String> {
        let dir = PathBuf::from(arguments.text("dir")?);
        let dim = arguments.number("dim")?;
        let metric = if arguments.text("metric")? == "ip" { Metric::InnerProduct } else { Metric::L2 };
        if !(1..=crate::MAX_DIM).contains(&dim) {
            return Err(format!("dimension {dim} is out of range"));
        }
        let shape = Shape { dim, metric, stamp: [0; 32] };
        fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        let room = match std::env::var("TWINSET_ANN_MEMORY_MB") {
            Err(_) => None,
            Ok(mb) => {
                let mb: u64 = mb.parse().map_err(|e| format!("TWINSET_ANN_MEMORY_MB: {e}"))?;
                Some(Room { memory_bytes: mb << 20, folder: dir.clone() })
            }
        };
        let options = GraphOptions { room, ..GraphOptions::default() };
        let say = |e: IndexError| e.to_string();
        let index: Box<dyn Ranked> = match (self.which, load) {
            (Which::Exact, false) => Box::new(ExactIndex::with_shape(shape)),
            (Which::Exact, true) => Box::new(ExactIndex::open(&dir, shape).map_err(say)?),
            (_, false) => Box::new(GraphIndex::new(shape, options)),
            (_, true) => Box::new(GraphIndex::open(&dir, shape, options).map_err(say)?),
        };
        let covered = index.snapshot().seq();
        let log = Log::open(&dir.join("log"), dim, |seq, changes| {
            if seq > covered { index.apply(seq, changes).map_err(say) } else { Ok(()) }
        })?;
        Ok(Open { index, dim, dir, log })
    }

    fn search(&self, arguments: &Arguments<'_>) -> Result<(), String> {
        let open = self.open.as_ref().ok_or("no index")?;
        let (k, effort) = (arguments.number("k")?, arguments.number_or("effort", 64)?);
        let count = arguments.number_or("nq", usize::MAX)?.min(self.queries.len());
        let groups = match arguments.0.get("attr_lt") {
            None => None,
            Some(_) => Some((0..arguments.number("attr_lt")? as u32).collect::<RoaringBitmap>()),
        };
        let state = open.index.ranked();
        let mut found = Vec::with_capacity(count.saturating_mul(k).min(1 << 24));
        for vector in &self.queries[..count] {
            let query = Query { vector, k, groups: groups.as_ref(), one_per_group: false, exact: false };
            let candidates = state.search(&query, effort).map_err(|e| e.to_string())?;
            found.extend((0..k).map(|i| candidates.get(i).map_or(u32::MAX, |c| c.item)));
        }
        let mut bytes = Vec::with_capacity(8 + found.len() * 4);
        for number in [count as u32, k as u32].into_iter().chain(found) {
            bytes.extend(number.to_le_bytes());
        }
        fs::write(arguments.text("out")?, bytes).map_err(|e| e.to_string())
    }
}

impl Open {
    fn change(&mut self, changes: &[Change], threads: usize) -> Result<(), String> {
        let seq = self.index.snapshot().seq() + 1;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| e.to_string())?;
        pool.install(|| self.index.apply(seq, changes)).map_err(|e| e.to_string())?;
        self.log.append(seq, changes, self.dim).map_err(|e| e.to_string())
    }
}

/// Rows `from..to` of a file of u32 rows, u32 columns, and four bytes a number.
fn rows(path: &str, from: usize, to: usize) -> Result<(usize, Vec<[u8; 4]>), String> {
    let read = || -> io::Result<(usize, Vec<[u8; 4]>)> {
        let mut file = File::open(path)?;
        let mut head = [[0u8; 4]; 2];
        file.read_exact(head.as_flattened_mut())?;
        let [count, columns] = head.map(|x| u32::from_le_bytes(x) as usize);
        if (file.metadata()?.len() as usize).checked_sub(8)
            != count.checked_mul(columns).and_then(|n| n.checked_mul(4))
        {
            return Err(io::Error::other("the length does not fit the head"));
        }
        let (from, to) = (from.min(count), to.min(count));
        file.seek(SeekFrom::Start((8 + from * columns * 4) as u64))?;
        let mut numbers = vec![[0u8; 4]; to.saturating_sub(from) * columns];
        file.read_exact(numbers.as_flattened_mut())?;
        Ok((columns, numbers))
    };
    read().map_err(|e| format!("{path}: {e}"))
}

fn floats(path: &str, from: usize, to: usize) -> Result<Vec<Vec<f32>>, String> {
    let (columns, numbers) = rows(path, from, to)?;
    let row = |row: &[[u8; 4]]| row.iter().map(|&x| f32::from_le_bytes(x)).collect();
    Ok(numbers.chunks_exact(columns.max(1)).map(row).collect())
}

fn numbers(path: &str, from: usize, to: usize) -> Result<Vec<u32>, String> {
    Ok(rows(path, from, to)?.1.into_iter().map(u32::from_le_bytes).collect())
}

/// Acknowledged changes since the last save. A record: its bytes (8), their CRC-32 (4), then the number of
/// the change (8) and for each change its kind (1), item (4), and for a put group (4) and vector.
struct Log(File);

impl Log {
    fn open(
        path: &Path,
        dim: usize,
        mut apply: impl FnMut(u64, &[Change]) -> Result<(), String>,
    ) -> Result<Self, String> {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        let mut at = 0;
        // A record cut off by a crash was never acknowledged.
        while let Some((record, next)) = record(&bytes, at) {
            let (seq, changes) = parse(record, dim).ok_or("the log is of another kind")?;
            apply(seq, &changes)?;
            at = next;
        }
        file.set_len(at as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|e| e.to_string())?;
        Ok(Self(file))
    }

    fn append(&mut self, seq: u64, changes: &[Change], dim: usize) -> io::Result<()> {
        let mut body = Vec::with_capacity(8 + changes.len() * (9 + 4 * dim));
        body.extend(seq.to_le_bytes());
        for change in changes {
            match change {
                Change::Put { item, group, vector } => {
                    body.push(1);
                    body.extend(item.to_le_bytes());
                    body.extend(group.to_le_bytes());
                    body.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
                }
                Change::Remove { item } => {
                    body.push(2);
                    body.extend(item.to_le_bytes());
                }
            }
        }
        self.0.write_all(&(body.len() as u64).to_le_bytes())?;
        self.0.write_all(&crc32fast::hash(&body).to_le_bytes())?;
        self.0.write_all(&body)?;
        self.0.sync_data()
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.sync_data()
    }
}

fn record(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, rest) = bytes.get(at..)?.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let body = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    (crc32fast::hash(body) == u32::from_le_bytes(*crc)).then_some((body, at + 12 + body.len()))
}

fn parse(record: &[u8], dim: usize) -> Option<(u64, Vec<Change>)> {
    let (seq, mut rest) = record.split_first_chunk::<8>()?;
    let mut changes = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        let (item, after) = after.split_first_chunk::<4>()?;
        let item = u32::from_le_bytes(*item);
        rest = after;
        if *kind == 2 {
            changes.push(Change::Remove { item });
            continue;
        }
        let (group, after) = after.split_first_chunk::<4>()?;
        let (vector, after) = after.split_at_checked(4 * dim)?;
        let vector = vector.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect();
        changes.push(Change::Put { item, group: u32::from_le_bytes(*group), vector });
        rest = after;
    }
    Some((u64::from_le_bytes(*seq), changes))
}
