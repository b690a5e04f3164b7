//! `manifest.csv`: one row a picture; columns are used when present.
use crate::{DatasetError, attributes, stays_inside};
use std::collections::BTreeMap;
use std::path::Path;
use twinset_photo::Rect;

/// Largest manifest that is read, in bytes.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// Longest row that is read window by window, in bytes.
pub(crate) const ROW_BYTES_MAX: u64 = 1 << 20;
/// Most boxes one picture may have; more is a sign of a broken export.
const BOXES_MAX: usize = 1000;

/// One picture of a data set. Text columns that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Row {
    /// Name in the shard, or path below the folder where `shard` is empty.
    pub file: String,
    pub shard: String,
    pub split: String,
    pub category: String,
    pub item_id: String,
    pub variant_id: String,
    pub view: String,
    /// Pixels, as the manifest says.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub boxes: Vec<LabelledBox>,
    pub title: String,
    pub description: String,
    /// A list without keys stands under `labels`.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// All other columns that are not empty, as text.
    pub extra: BTreeMap<String, String>,
}

impl Row {
    /// What names the product: `item_id`, else the file's stem.
    #[must_use]
    pub fn product(&self) -> &str {
        if self.item_id.is_empty() { self.stem() } else { &self.item_id }
    }
    /// The file's name without folders and extension.
    #[must_use]
    pub fn stem(&self) -> &str {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem })
    }
}

/// A box of a picture, in its pixels, with the texts that follow the four numbers.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct LabelledBox {
    pub rect: Rect,
    pub labels: Vec<String>,
}

impl LabelledBox {
    /// The first text after the numbers; empty where there is none.
    #[must_use]
    pub fn label(&self) -> &str {
        self.labels.first().map_or("", String::as_str)
    }
}

/// A cell that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Problem {
    pub line: u64,
    pub column: &'static str,
    pub reason: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "manifest.csv, line {}, {}: {}", self.line, self.column, self.reason)
    }
}

/// `shown`: what the manifest is called in messages.
pub(crate) fn read(path: &Path, shown: &Path) -> Result<(Vec<Row>, Vec<Problem>), DatasetError> {
    let bytes = match std::fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(DatasetError::NoManifest { path: shown.to_path_buf() });
        }
        Err(source) => return Err(DatasetError::Io { path: shown.to_path_buf(), source }),
    };
    if bytes > MANIFEST_BYTES_MAX {
        return Err(DatasetError::TooLarge { path: shown.to_path_buf(), bytes, limit: MANIFEST_BYTES_MAX });
    }
    let text =
        std::fs::read(path).map_err(|source| DatasetError::Io { path: shown.to_path_buf(), source })?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    parse(shown, text)
}

pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<(Vec<Row>, Vec<Problem>), DatasetError> {
    let broken = |e: &csv::Error| DatasetError::BadManifest {
        path: path.to_path_buf(),
        line: e.position().map_or(1, csv::Position::line),
        reason: e.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let columns: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(|h| h.trim().to_ascii_lowercase()).collect(),
        Err(e) => return Err(broken(&e)),
    };
    if !columns.iter().any(|c| c == "file") {
        return Err(DatasetError::NoFileColumn { path: path.to_path_buf(), found: columns.join(", ") });
    }
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| broken(&e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = row(&columns, &record, line, &mut problems);
        let outside =
            |name: &String| DatasetError::Outside { path: path.to_path_buf(), line, name: name.clone() };
        if !stays_inside(&row.file) {
            return Err(outside(&row.file));
        }
        if !row.shard.is_empty() && !stays_inside(&row.shard) {
            return Err(outside(&row.shard));
        }
        rows.push(row);
    }
    Ok((rows, problems))
}

fn row(columns: &[String], record: &csv::StringRecord, line: u64, problems: &mut Vec<Problem>) -> Row {
    let mut row = Row::default();
    let mut trouble = |column, reason| problems.push(Problem { line, column, reason });
    for (column, cell) in columns.iter().zip(record) {
        let text = || cell.trim().to_owned();
        match column.as_str() {
            "file" => row.file = text(),
            "shard" => row.shard = text(),
            "split" => row.split = text(),
            "category" => row.category = text(),
            "item_id" => row.item_id = text(),
            "variant_id" => row.variant_id = text(),
            "view" => row.view = text(),
            "title" => row.title = text(),
            "description" => row.description = text(),
            "width" => match side(cell) {
                Ok(side) => row.width = side,
                Err(reason) => trouble("width", reason),
            },
            "height" => match side(cell) {
                Ok(side) => row.height = side,
                Err(reason) => trouble("height", reason),
            },
            "attributes" => row.attributes = attributes::parse(cell),
            "boxes" => match boxes(cell) {
                Ok(boxes) => row.boxes = boxes,
                Err(reason) => trouble("boxes", reason),
            },
            _ if cell.trim().is_empty() => {}
            _ => {
                row.extra.insert(column.clone(), text());
            }
        }
    }
    row
}

fn side(cell: &str) -> Result<Option<u32>, String> {
    match cell.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("`{text}` is not a number of pixels")),
    }
}

/// `[[x0, y0, x1, y1, label, ...], ...]`, corners exclusive on the far side.
fn boxes(cell: &str) -> Result<Vec<LabelledBox>, String> {
    if cell.trim().is_empty() {
        return Ok(Vec::new());
    }
    let lists: Vec<Vec<serde_json::Value>> =
        serde_json::from_str(cell).map_err(|e| format!("not a JSON list of boxes: {e}"))?;
    if lists.len() > BOXES_MAX {
        return Err(format!("{} boxes, more than the {BOXES_MAX} allowed", lists.len()));
    }
    lists.iter().map(|list| labelled_box(list)).collect()
}

fn labelled_box(list: &[serde_json::Value]) -> Result<LabelledBox, String> {
    let mut corners = [0.0f32; 4];
    for (i, corner) in corners.iter_mut().enumerate() {
        *corner = list
            .get(i)
            .and_then(serde_json::Value::as_f64)
            .map(|v| v as f32)
            .filter(|v| v.is_finite())
            .ok_or("a box must begin with four numbers, x0, y0, x1, y1")?;
    }
    let [x0, y0, x1, y1] = corners;
    if x1 <= x0 || y1 <= y0 {
        return Err(format!("box [{x0}, {y0}, {x1}, {y1}] is empty"));
    }
    let labels = list[4..].iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
    Ok(LabelledBox { rect: Rect::from_corners(x0, y0, x1, y1), labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<(Vec<Row>, Vec<Problem>), DatasetError> {
        parse(Path::new("manifest.csv"), text.as_bytes())
    }

    #[test]
    fn columns_are_used_when_present_and_others_kept() {
        let (rows, problems) = read_text(
            "File,split,boxes,colour\na/b.jpg,val,\"[[1,2,11.5,22,\"\"target\"\",\"\"X1\"\",3]]\",red\nc.jpg\n",
        )
        .unwrap();
        assert!(problems.is_empty());
        assert_eq!(rows[0].boxes[0].rect, Rect { x: 1.0, y: 2.0, w: 10.5, h: 20.0 });
        assert_eq!(rows[0].boxes[0].labels, ["target", "X1", "3"]);
        assert_eq!((rows[0].stem(), rows[0].product(), rows[0].extra["colour"].as_str()), ("b", "b", "red"));
        assert_eq!((rows[1].file.as_str(), rows[1].split.as_str()), ("c.jpg", ""));
    }

    #[test]
    fn bad_cells_are_listed_and_their_rows_kept() {
        let (rows, problems) =
            read_text("file,width,boxes\na.jpg,wide,[[1]]\nb.jpg,4,\"[[5,5,5,9]]\"\n").unwrap();
        assert_eq!((rows.len(), rows[1].width), (2, Some(4)));
        let told: Vec<_> = problems.iter().map(|p| (p.line, p.column)).collect();
        assert_eq!(told, [(2, "width"), (2, "boxes"), (3, "boxes")]);
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        for name in ["../x.jpg", "/etc/passwd", "a/../../x", "", "a\\..\\x"] {
            let found = read_text(&format!("file,shard\n{name},s.tar\n"));
            assert!(matches!(found, Err(DatasetError::Outside { line: 2, .. })), "{name:?}");
        }
        assert!(matches!(read_text("file,shard\nx.jpg,../s.tar\n"), Err(DatasetError::Outside { .. })));
        assert!(matches!(read_text("name,shard\nx,s\n"), Err(DatasetError::NoFileColumn { .. })));
    }
}
