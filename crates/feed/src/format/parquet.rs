//! Parquet: columns named as the members of our JSON Lines, or as those of a Merchant feed.
//!
//! Read: each row becomes the JSON object that it stands for and goes the way of JSON Lines. Written: one column a member,
//! texts and lists of texts as such, everything deeper as JSON text (annotated so), so that an export comes back without
//! loss and any other tool can read it. The list of row groups stands at the end of the file, so a feed that comes through a
//! pipe is laid down first. `docs/formats/export-parquet.md` has the columns.

use super::json;
use crate::read::Out;
use crate::{FeedError, Result, Settings};
use parquet::basic::{Compression, ConvertedType, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::{Field, Row};
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use twinset_catalogue::Product;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Texts,
    Json,
}

/// The columns of an export: every member of a product.
const COLUMNS: [(&str, Holds); 28] = [
    ("id", Holds::Text),
    ("group_id", Holds::Text),
    ("title", Holds::Text),
    ("description", Holds::Text),
    ("link", Holds::Text),
    ("images", Holds::Json),
    ("availability", Holds::Text),
    ("price", Holds::Json),
    ("sale_price", Holds::Json),
    ("condition", Holds::Text),
    ("brand", Holds::Text),
    ("gtin", Holds::Text),
    ("mpn", Holds::Text),
    ("sku", Holds::Text),
    ("category", Holds::Json),
    ("product_type", Holds::Json),
    ("color", Holds::Texts),
    ("size", Holds::Texts),
    ("material", Holds::Texts),
    ("pattern", Holds::Texts),
    ("gender", Holds::Texts),
    ("age_group", Holds::Texts),
    ("tags", Holds::Texts),
    ("attributes", Holds::Json),
    ("custom", Holds::Json),
    ("seller", Holds::Text),
    ("place", Holds::Json),
    ("source", Holds::Text),
];

/// Products of a row group, and bytes of them, at most about: what is in memory while writing.
const GROUP_ROWS: usize = 20_000;
const GROUP_BYTES: usize = 32 << 20;

pub(crate) fn read(mut input: impl Read, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let mut spool = tempfile::tempfile()?;
    std::io::copy(&mut input, &mut spool)?;
    spool.rewind()?;
    // The library asserts in places where a damaged file can bring it.
    let read = catch_unwind(AssertUnwindSafe(|| rows(spool, settings, out)));
    let told = match read {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it holds what no Parquet writer writes".into(),
    };
    if out.summary.rows == 0 {
        return Err(FeedError::Damaged { what: "Parquet file", detail: told });
    }
    out.cut_off(format!("the Parquet file cannot be read after row {}: {told}", out.summary.rows));
    Ok(())
}

fn rows(file: File, settings: &Settings, out: &mut Out<'_>) -> Result<(), ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    let schema = reader.metadata().file_metadata().schema().clone();
    let as_json: HashSet<&str> = schema
        .get_fields()
        .iter()
        .filter(|field| field.get_basic_info().converted_type() == ConvertedType::JSON)
        .map(|field| field.name())
        .collect();
    for (number, row) in (1..).zip(reader.get_row_iter(None)?) {
        let object = object(row?, &|name| as_json.contains(name));
        json::element(Value::Object(object), number, settings, out);
        if out.stopped() {
            break;
        }
    }
    Ok(())
}

fn object(row: Row, as_json: &dyn Fn(&str) -> bool) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, field) in row.into_columns() {
        let value = match value(&field) {
            Value::String(text) if as_json(&name) || nested(&name) && text.starts_with(['[', '{']) => {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
            value => value,
        };
        object.insert(named(name), value);
    }
    object
}

/// Members that other writers, too, hold as JSON text.
fn nested(name: &str) -> bool {
    COLUMNS.iter().any(|(known, holds)| *known == name && *holds != Holds::Text)
}

/// `Image Link` to `image_link`; names that are ours already, or nobody's, stay as they are.
fn named(name: String) -> String {
    let plain = crate::recognise::column(&name);
    let known = |name: &str| {
        COLUMNS.iter().any(|(ours, _)| *ours == name)
            || ["image_link", "additional_image_link", "lifestyle_image_link", "deleted"].contains(&name)
    };
    if !known(&name) && known(&plain) { plain } else { name }
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::from(*value),
        Field::Str(text) => Value::from(text.as_str()),
        // Texts of writers that do not say so.
        Field::Bytes(bytes) => {
            std::str::from_utf8(bytes.data()).map_or(Value::Null, |text| Value::from(text.to_owned()))
        }
        Field::Group(row) => {
            Value::Object(row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect())
        }
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect()),
        Field::MapInternal(map) => {
            let key = |key: &Field| json::word(Some(&value(key)));
            Value::Object(map.entries().iter().map(|(name, field)| (key(name), value(field))).collect())
        }
        Field::Byte(n) => Value::from(*n),
        Field::Short(n) => Value::from(*n),
        Field::Int(n) => Value::from(*n),
        Field::Long(n) => Value::from(*n),
        Field::UByte(n) => Value::from(*n),
        Field::UShort(n) => Value::from(*n),
        Field::UInt(n) => Value::from(*n),
        Field::ULong(n) => Value::from(*n),
        // The shortest decimal that means the number: 15.9 as it was written, not 15.899999618.
        Field::Float(n) => Value::from(n.to_string()),
        Field::Double(n) => Value::from(n.to_string()),
        // Decimals, dates and times in words.
        other => Value::from(other.to_string()),
    }
}

/// One column of a row group in the making.
#[derive(Default)]
struct Column {
    values: Vec<ByteArray>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

/// Writes products as a Parquet file.
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// The disk failed.
    pub fn new(out: W) -> Result<Self> {
        let column = |(name, holds): &(&str, Holds)| match (*name, holds) {
            ("id", _) => "required binary id (STRING);".to_owned(),
            (name, Holds::Text) => format!("optional binary {name} (STRING);"),
            (name, Holds::Json) => format!("optional binary {name} (JSON);"),
            (name, Holds::Texts) => {
                format!(
                    "optional group {name} (LIST) {{ repeated group list {{ required binary element (STRING); }} }}"
                )
            }
        };
        let schema = COLUMNS.iter().map(column).collect::<Vec<_>>().join(" ");
        let schema = parse_message_type(&format!("message product {{ {schema} }}")).map_err(failed)?;
        let properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        Ok(Self { file, columns: Vec::new(), rows: 0, bytes: 0 })
    }

    /// Adds a product.
    ///
    /// # Errors
    /// The disk failed.
    pub fn put(&mut self, product: &Product) -> Result<()> {
        let mut members = match serde_json::to_value(product) {
            Ok(Value::Object(members)) => members,
            other => unreachable!("a product is an object: {other:?}"),
        };
        self.columns.resize_with(COLUMNS.len(), Column::default);
        for ((name, holds), column) in COLUMNS.iter().zip(&mut self.columns) {
            let mut add = |text: &str, repeated: bool, definition: i16| {
                column.values.push(text.as_bytes().to_vec().into());
                column.definition.push(definition);
                column.repetition.push(i16::from(repeated));
                self.bytes += text.len() + 16;
            };
            match (holds, members.remove(*name)) {
                (Holds::Text, Some(Value::String(text))) => add(&text, false, i16::from(*name != "id")),
                (Holds::Texts, Some(Value::Array(texts))) if !texts.is_empty() => {
                    texts.iter().enumerate().for_each(|(n, text)| add(&json::word(Some(text)), n > 0, 2));
                }
                (Holds::Json, Some(value)) => add(&value.to_string(), false, 1),
                _ => {
                    column.definition.push(0);
                    column.repetition.push(0);
                }
            }
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let columns = std::mem::take(&mut self.columns);
        (self.rows, self.bytes) = (0, 0);
        if columns.is_empty() {
            return Ok(());
        }
        let mut write = || -> Result<(), ParquetError> {
            let mut group = self.file.next_row_group()?;
            for column in &columns {
                let Some(mut writer) = group.next_column()? else { break };
                writer.typed::<ByteArrayType>().write_batch(
                    &column.values,
                    Some(&column.definition),
                    Some(&column.repetition),
                )?;
                writer.close()?;
            }
            group.close().map(|_| ())
        };
        write().map_err(failed)
    }

    /// Ends the file; without this it is none.
    ///
    /// # Errors
    /// The disk failed.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.file.close().map(|_| ()).map_err(failed)
    }
}

/// Writing fails only where the disk does.
fn failed(error: ParquetError) -> FeedError {
    match error {
        ParquetError::External(inner) => FeedError::Io(std::io::Error::other(inner)),
        other => FeedError::Io(std::io::Error::other(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use twinset_catalogue::{Availability, Category, Condition, Image, Money, PictureHash, Place, Role};

    /// A product that says something in every member.
    fn full(id: &str) -> Product {
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let image = |name: &str, role| Image {
            name: name.into(),
            role,
            url: Some(format!("https://shop.example/{name}.jpg")),
            alt: Some("Seen from \"behind\"".into()),
            variant: Some("red".into()),
            picture: Some(PictureHash::of(name.as_bytes())),
        };
        Product {
            id: id.into(),
            group_id: Some("g".into()),
            title: Some("Käfer 드레스".into()),
            description: Some("two\nlines".into()),
            link: Some("https://shop.example/p".into()),
            images: vec![image("main", Role::Main), image("2", Role::Lifestyle)],
            availability: Availability::Preorder,
            price: Money::parse("15.00", "USD").ok(),
            sale_price: Money::parse("9.90", "USD").ok(),
            condition: Some(Condition::Used),
            brand: Some("b".into()),
            gtin: Some("0012".into()),
            mpn: Some("m".into()),
            sku: Some("=s".into()),
            category: Some(Category { google_id: Some(2271), path: texts(&["A", "B > C"]) }),
            product_type: vec![texts(&["Women", "Dresses"]), texts(&["Sale"])],
            color: texts(&["red", "navy"]),
            size: texts(&["M"]),
            material: texts(&["wool"]),
            pattern: texts(&["[dots]"]),
            gender: texts(&["female"]),
            age_group: texts(&["adult"]),
            tags: texts(&["a, b", "c"]),
            attributes: BTreeMap::from([("Fit:Cut".into(), texts(&["slim", "{x}"]))]),
            custom: Some(serde_json::json!("text, no object")),
            seller: Some("s".into()),
            place: Some(Place { lat: 37.5, lon: 127.0 }),
            source: Some("feed".into()),
        }
    }

    fn written(products: &[Product]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ParquetWriter::new(&mut bytes).unwrap();
        products.iter().for_each(|product| writer.put(product).unwrap());
        writer.finish().unwrap();
        bytes
    }

    fn read_back(bytes: &[u8]) -> (Vec<Product>, Result<crate::Summary>) {
        let mut products = Vec::new();
        let summary = crate::read(Box::new(bytes), &Settings::default(), &mut |event| {
            if let crate::Event::Product { product, .. } = event {
                products.push(*product);
            }
            std::ops::ControlFlow::Continue(())
        });
        (products, summary)
    }

    #[test]
    fn every_member_has_a_column_and_comes_back_letter_by_letter() {
        let Value::Object(members) = serde_json::to_value(full("x")).unwrap() else { panic!() };
        for name in members.keys() {
            assert!(COLUMNS.iter().any(|(column, _)| column == name), "{name} would be lost");
        }
        assert_eq!(members.len(), COLUMNS.len());
        let products: Vec<Product> = (0..50)
            .map(|n| if n % 3 == 0 { Product::new(format!("bare{n}")) } else { full(&format!("p{n}")) })
            .collect();
        let (back, summary) = read_back(&written(&products));
        let summary = summary.unwrap();
        assert_eq!((summary.format, summary.partial, summary.products), (crate::Format::Parquet, None, 50));
        assert_eq!(back, products);
        assert_eq!(read_back(&written(&[])).0, []);
    }

    #[test]
    fn damaged_files_are_told_and_never_take_us_along() {
        let bytes = written(&(0..40).map(|n| full(&format!("p{n}"))).collect::<Vec<_>>());
        for cut in [4, 100, bytes.len() / 2, bytes.len() - 1] {
            let (_, summary) = read_back(&bytes[..cut]);
            assert!(matches!(summary, Err(FeedError::Damaged { .. })), "{summary:?}");
        }
        let mut state = 7_u64;
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (state >> 33) as usize % damaged.len();
                damaged[at] ^= (state >> 20) as u8 | 1;
            }
            // Something is read, or it is told why not; a panic would end this test.
            _ = read_back(&damaged);
        }
    }
}
