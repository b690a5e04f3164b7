//! Public data sets as their makers lay them out, by name: `in-shop:DIR` stands wherever a data set may.
//!
//! What their lists say becomes rows; nothing is copied. Splits are the official ones. `docs/public-sets.md` says where
//! each is to be had and what must lie where.
use crate::place::Place;
use crate::{DataSet, DatasetError, LabelledBox, Row, stays_inside};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use twinset_photo::Rect;

/// A public data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicSet {
    /// In-shop Clothes Retrieval of DeepFashion (Liu et al., CVPR 2016). Splits `train`, `query`, `gallery`.
    InShop,
    /// Consumer-to-shop Clothes Retrieval of DeepFashion. Splits `train`, `val`, `test`; views `consumer`, `shop`.
    ConsumerToShop,
    /// DeepFashion2 (Ge et al., CVPR 2019). A row a photo in `train` and `validation`; a row a garment that has a partner
    /// in `query` (of users) and `gallery` (of shops). The folder may be one split's.
    DeepFashion2,
    /// Stanford Online Products (Song et al., CVPR 2016). Splits `train`, `test`.
    StanfordOnlineProducts,
    /// Grocery Store (Klasson et al., WACV 2019). Splits `train`, `val`, `test`, and `iconic` for the pictures of a shop.
    GroceryStore,
}

use PublicSet::{ConsumerToShop, DeepFashion2, GroceryStore, InShop, StanfordOnlineProducts};

impl PublicSet {
    /// All of them.
    pub const ALL: [Self; 5] = [InShop, ConsumerToShop, DeepFashion2, StanfordOnlineProducts, GroceryStore];

    /// As it is written in an address.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            InShop => "in-shop",
            ConsumerToShop => "consumer-to-shop",
            DeepFashion2 => "deepfashion2",
            StanfordOnlineProducts => "stanford-online-products",
            GroceryStore => "grocery-store",
        }
    }

    /// The set of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// What stands for the set in `dir` wherever a data set may.
    #[must_use]
    pub fn address(self, dir: &Path) -> PathBuf {
        format!("{}:{}", self.name(), dir.display()).into()
    }

    /// The set and the folder of an address.
    pub(crate) fn at(address: &Path) -> Option<(Self, &Path)> {
        let (name, dir) = address.to_str()?.split_once(':')?;
        Some((Self::named(name)?, Path::new(dir)))
    }

    /// What must lie where.
    fn layout(self) -> &'static str {
        match self {
            InShop => "Eval/list_eval_partition.txt, Anno/list_bbox_inshop.txt and img/ (or Img/img/)",
            ConsumerToShop => {
                "Eval/list_eval_partition.txt, Anno/list_bbox_consumer2shop.txt and img/ (or Img/img/)"
            }
            DeepFashion2 => "train/ and validation/, or one of them, with image/ and annos/",
            StanfordOnlineProducts => "Ebay_train.txt and Ebay_test.txt beside the folders of pictures",
            GroceryStore => {
                "dataset/ (or what is in it): train.txt, val.txt, test.txt, classes.csv and the pictures"
            }
        }
    }

    /// Reads the lists.
    pub(crate) fn open(self, dir: &Path) -> Result<DataSet, DatasetError> {
        let lists = Lists { set: self, dir };
        let (list, rows) = match self {
            InShop => lists.in_shop(),
            ConsumerToShop => lists.consumer_to_shop(),
            DeepFashion2 => lists.deepfashion2(),
            StanfordOnlineProducts => lists.online_products(),
            GroceryStore => lists.grocery_store(),
        }?;
        Ok(DataSet::of_rows(Place::Folder(dir.to_path_buf()), &list, rows, Vec::new()))
    }
}

/// The lists of one set.
struct Lists<'a> {
    set: PublicSet,
    dir: &'a Path,
}

/// The list that the rows come from, and the rows.
type Found = Result<(PathBuf, Vec<Row>), DatasetError>;

impl Lists<'_> {
    fn missing(&self, path: PathBuf) -> DatasetError {
        DatasetError::NotLaidOut { path, set: self.set.name(), layout: self.set.layout() }
    }

    /// The first of `names` that is there, with its text.
    fn text(&self, names: &[&str]) -> Result<(PathBuf, String), DatasetError> {
        let paths = names.iter().map(|name| self.dir.join(name));
        let Some(path) = paths.clone().find(|path| path.is_file()) else {
            return Err(self.missing(self.dir.join(names[0])));
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok((path, text)),
            Err(source) => Err(DatasetError::Io { path, source }),
        }
    }

    /// The cells of a list, line by line; `ahead` lines are no rows.
    fn cells<const N: usize>(
        path: &Path,
        text: &str,
        ahead: usize,
        is_border: impl Fn(char) -> bool + Copy,
    ) -> Result<Vec<(u64, [String; N])>, DatasetError> {
        let rows = text.lines().enumerate().skip(ahead).filter(|(_, line)| !line.trim().is_empty());
        rows.map(|(at, line)| {
            let cells: Vec<String> =
                line.split(is_border).map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect();
            let line = at as u64 + 1;
            <[String; N]>::try_from(cells).map(|cells| (line, cells)).map_err(|cells| {
                let reason = format!("{N} cells were expected, {} are there", cells.len());
                DatasetError::BadManifest { path: path.to_path_buf(), line, reason }
            })
        })
        .collect()
    }

    /// Where the pictures of DeepFashion lie: beside the lists, or in a folder of their own.
    fn pictures(&self) -> &'static str {
        if self.dir.join("Img/img").is_dir() { "Img/" } else { "" }
    }

    /// The boxes of a list whose last four cells they are; none without the list.
    fn boxes<const N: usize>(&self, name: &str) -> Result<HashMap<String, LabelledBox>, DatasetError> {
        if !self.dir.join(name).is_file() {
            return Ok(HashMap::new());
        }
        let (path, text) = self.text(&[name])?;
        let mut boxes = HashMap::new();
        for (line, cells) in Self::cells::<N>(&path, &text, 2, char::is_whitespace)? {
            let numbers: Vec<f32> = cells[N - 4..].iter().filter_map(|c| c.parse().ok()).collect();
            let &[x0, y0, x1, y1] = &numbers[..] else {
                let reason = "a box has four numbers".to_owned();
                return Err(DatasetError::BadManifest { path, line, reason });
            };
            // Some lists give the corners in another order.
            let rect = Rect::from_corners(x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1));
            boxes.insert(cells[0].clone(), LabelledBox { rect, labels: vec!["item".into()] });
        }
        Ok(boxes)
    }

    fn in_shop(&self) -> Found {
        let (path, text) = self.text(&["Eval/list_eval_partition.txt", "list_eval_partition.txt"])?;
        let boxes = self.boxes::<7>("Anno/list_bbox_inshop.txt")?;
        let mut rows = Vec::new();
        for (line, [file, item_id, split]) in Self::cells(&path, &text, 2, char::is_whitespace)? {
            // As in `01_1_front.jpg`.
            let view = Path::new(&file).file_stem().and_then(|s| s.to_str()?.rsplit('_').next());
            rows.push(Row {
                category: folder(&file, 2),
                view: view.unwrap_or_default().to_owned(),
                boxes: boxes.get(&file).cloned().into_iter().collect(),
                file: inside(&path, line, self.pictures(), &file)?,
                item_id,
                split,
                ..Row::default()
            });
        }
        Ok((path, rows))
    }

    fn consumer_to_shop(&self) -> Found {
        let (path, text) = self.text(&["Eval/list_eval_partition.txt", "list_eval_partition.txt"])?;
        let boxes = self.boxes::<7>("Anno/list_bbox_consumer2shop.txt")?;
        let (mut rows, mut known) = (Vec::new(), HashSet::new());
        for (line, [consumer, shop, item_id, split]) in Self::cells(&path, &text, 2, char::is_whitespace)? {
            for (file, view) in [(consumer, "consumer"), (shop, "shop")] {
                // A pair a line: pictures come again.
                if !known.insert((file.clone(), split.clone())) {
                    continue;
                }
                rows.push(Row {
                    category: folder(&file, 2),
                    view: view.to_owned(),
                    boxes: boxes.get(&file).cloned().into_iter().collect(),
                    file: inside(&path, line, self.pictures(), &file)?,
                    item_id: item_id.clone(),
                    split: split.clone(),
                    ..Row::default()
                });
            }
        }
        Ok((path, rows))
    }

    fn deepfashion2(&self) -> Found {
        let own = self.dir.join("annos").is_dir();
        let parts: Vec<(String, PathBuf)> = if own {
            let name = self.dir.file_name().map_or("validation".into(), |n| n.to_string_lossy().into_owned());
            vec![(name, PathBuf::new())]
        } else {
            let parts = ["train", "validation"].map(|name| (name.to_owned(), PathBuf::from(name)));
            parts.into_iter().filter(|(_, part)| self.dir.join(part).join("annos").is_dir()).collect()
        };
        if parts.is_empty() {
            return Err(self.missing(self.dir.join("validation/annos")));
        }
        let mut rows = Vec::new();
        let mut last = PathBuf::new();
        for (split, part) in parts {
            let folder = self.dir.join(&part).join("annos");
            let io = |source| DatasetError::Io { path: folder.clone(), source };
            let entries = std::fs::read_dir(&folder).map_err(io)?;
            let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
            files.retain(|path| path.extension().is_some_and(|e| e == "json"));
            files.sort();
            for path in files {
                let bytes =
                    std::fs::read(&path).map_err(|source| DatasetError::Io { path: path.clone(), source })?;
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let file =
                    part.join("image").join(format!("{stem}.jpg")).to_string_lossy().replace('\\', "/");
                let found = serde_json::from_slice(&bytes).map_err(|e| e.to_string());
                let found = found.and_then(|value| garments(&value, &file, &split));
                rows.extend(found.map_err(|reason| {
                    let path = path.clone();
                    DatasetError::BadManifest { path, line: 1, reason }
                })?);
                last = path;
            }
        }
        Ok((last, rows))
    }

    fn online_products(&self) -> Found {
        let mut rows = Vec::new();
        let mut last = PathBuf::new();
        for (name, split) in [("Ebay_train.txt", "train"), ("Ebay_test.txt", "test")] {
            let (path, text) = self.text(&[name])?;
            for (line, [_, item_id, _, file]) in Self::cells(&path, &text, 1, char::is_whitespace)? {
                rows.push(Row {
                    category: folder(&file, 0).trim_end_matches("_final").to_owned(),
                    file: inside(&path, line, "", &file)?,
                    item_id,
                    split: split.to_owned(),
                    ..Row::default()
                });
            }
            last = path;
        }
        Ok((last, rows))
    }

    fn grocery_store(&self) -> Found {
        let below = if self.dir.join("dataset").is_dir() { "dataset/" } else { "" };
        let (path, text) = self.text(&[&format!("{below}classes.csv")])?;
        let mut rows = Vec::new();
        let mut classes: BTreeMap<String, (String, String)> = BTreeMap::new();
        let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        for record in table.records() {
            let broken = |line, reason| DatasetError::BadManifest { path: path.clone(), line, reason };
            let record =
                record.map_err(|e| broken(e.position().map_or(1, csv::Position::line), e.to_string()))?;
            let line = record.position().map_or(1, csv::Position::line);
            let cell = |at: usize| record.get(at).map(|c| c.trim().to_owned());
            let (Some(name), Some(number), Some(coarse), Some(iconic)) = (cell(0), cell(1), cell(2), cell(4))
            else {
                return Err(broken(
                    line,
                    "a class has a name, a number, a coarse class and a picture".into(),
                ));
            };
            rows.push(Row {
                file: inside(&path, line, below, iconic.trim_start_matches('/'))?,
                item_id: name.clone(),
                category: coarse.clone(),
                split: "iconic".into(),
                view: "iconic".into(),
                ..Row::default()
            });
            classes.insert(number, (name, coarse));
        }
        for split in ["train", "val", "test"] {
            let (path, text) = self.text(&[&format!("{below}{split}.txt")])?;
            for (line, [file, class, _]) in Self::cells(&path, &text, 0, |c| c == ',')? {
                let Some((name, coarse)) = classes.get(&class) else {
                    let reason = format!("classes.csv has no class {class}");
                    return Err(DatasetError::BadManifest { path, line, reason });
                };
                rows.push(Row {
                    file: inside(&path, line, below, &file)?,
                    item_id: name.clone(),
                    category: coarse.clone(),
                    split: split.into(),
                    view: "natural".into(),
                    ..Row::default()
                });
            }
        }
        Ok((path, rows))
    }
}

/// The folder at a place of a path; empty where there is none.
fn folder(file: &str, at: usize) -> String {
    file.split('/').nth(at).filter(|_| file.split('/').count() > at + 1).unwrap_or_default().to_owned()
}

/// A name in a list, below the set's folder.
fn inside(path: &Path, line: u64, below: &str, name: &str) -> Result<String, DatasetError> {
    if stays_inside(name) {
        Ok(format!("{below}{name}"))
    } else {
        Err(DatasetError::Outside { path: path.to_path_buf(), line, name: name.to_owned() })
    }
}

/// The rows of one photo of DeepFashion2: all garments for detection, and each that has a partner for retrieval.
fn garments(value: &Value, file: &str, split: &str) -> Result<Vec<Row>, String> {
    let members = value.as_object().ok_or("it is no object")?;
    let pair = members.get("pair_id").and_then(Value::as_u64).ok_or("`pair_id` is missing")?;
    let source = members.get("source").and_then(Value::as_str).ok_or("`source` is missing")?;
    let mut whole = Row { file: file.into(), split: split.into(), view: source.into(), ..Row::default() };
    let mut rows = Vec::new();
    for (name, item) in members.iter().filter(|(name, _)| name.starts_with("item")) {
        let called = item.get("category_name").and_then(Value::as_str);
        let corners = item.get("bounding_box").and_then(Value::as_array);
        let corners: Vec<f32> =
            corners.into_iter().flatten().filter_map(|x| Some(x.as_f64()? as f32)).collect();
        let (Some(called), &[x0, y0, x1, y1]) = (called, &corners[..]) else {
            return Err(format!("{name} has no `category_name` or no `bounding_box`"));
        };
        // `short sleeve dress` is a dress; only a sling is not what it is called.
        let kind = called.rsplit(' ').next().filter(|k| *k != "sling").unwrap_or("top");
        let labels = vec![kind.to_owned(), called.to_owned()];
        let labelled = LabelledBox { rect: Rect::from_corners(x0, y0, x1, y1), labels };
        whole.boxes.push(labelled.clone());
        // Style 0 has no partner.
        let style = item.get("style").and_then(Value::as_u64).unwrap_or(0);
        if style > 0 {
            rows.push(Row {
                split: if source == "user" { "query" } else { "gallery" }.into(),
                item_id: format!("{pair}-{style}"),
                category: called.to_owned(),
                boxes: vec![labelled],
                ..whole.clone()
            });
        }
    }
    rows.push(whole);
    Ok(rows)
}
