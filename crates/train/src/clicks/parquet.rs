//! Click logs in Parquet: each row is the object of a line, its columns the members.
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Value};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::log::{Click, ClickLog};
use crate::error::TrainError;

/// Reads a whole log.
pub(crate) fn read(path: &Path) -> Result<ClickLog, TrainError> {
    let bad = |line: usize, reason: String| TrainError::Clicks { path: path.into(), line, reason };
    let file = File::open(path).map_err(|e| TrainError::io(path, e))?;
    let mut clicks = Vec::new();
    let rows = || -> Result<Option<String>, ParquetError> {
        let reader = SerializedFileReader::new(file)?;
        for row in reader.get_row_iter(None)? {
            match serde_json::from_value(object(row?)).map_err(|e| e.to_string()).and_then(Click::checked) {
                Ok(click) => clicks.push(click),
                Err(reason) => return Ok(Some(reason)),
            }
        }
        Ok(None)
    };
    // The library asserts in places where a damaged file can bring it.
    let read = catch_unwind(AssertUnwindSafe(rows));
    let row = clicks.len() + 1;
    match read {
        Ok(Ok(None)) if clicks.is_empty() => Err(bad(1, "the log has no clicks".into())),
        Ok(Ok(None)) => Ok(ClickLog { clicks }),
        Ok(Ok(Some(reason))) => Err(bad(row, reason)),
        Ok(Err(error)) => Err(bad(row, format!("the Parquet file cannot be read further: {error}"))),
        Err(_) => Err(bad(row, "it holds what no Parquet writer writes".into())),
    }
}

fn object(row: Row) -> Value {
    let member = |(name, field): (String, Field)| match value(&field) {
        Value::Null => None,
        // Writers without lists hold them as JSON.
        Value::String(text) if name == "shown" => Some((name, serde_json::from_str(&text).ok()?)),
        value => Some((name, value)),
    };
    Value::Object(row.into_columns().into_iter().filter_map(member).collect::<Map<_, _>>())
}

fn value(field: &Field) -> Value {
    match field {
        Field::Str(text) => Value::from(text.as_str()),
        // Texts of writers that do not say so.
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).map_or(Value::Null, Value::from),
        Field::Bool(value) => Value::from(*value),
        Field::Byte(n) => Value::from(*n),
        Field::Short(n) => Value::from(*n),
        Field::Int(n) => Value::from(*n),
        Field::Long(n) => Value::from(*n),
        Field::UByte(n) => Value::from(*n),
        Field::UShort(n) => Value::from(*n),
        Field::UInt(n) => Value::from(*n),
        Field::ULong(n) => Value::from(*n),
        Field::Float(n) => Value::from(*n),
        Field::Double(n) => Value::from(*n),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect()),
        Field::Null | Field::Group(_) | Field::MapInternal(_) => Value::Null,
        // Times in words: they begin with the day.
        other => Value::from(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    const SCHEMA: &str = "message click {
        required binary at (STRING); required binary kind (STRING); required binary search (STRING);
        required binary product (STRING); optional int32 rank; required double weight;
        optional group shown (LIST) { repeated group list { required binary element (STRING); } } }";

    /// Two clicks, the first with a rank and two results.
    fn write(path: &Path, weight: f64) {
        let properties = Arc::new(WriterProperties::builder().build());
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
        let mut group = file.next_row_group().unwrap();
        let texts = |all: &[&str]| all.iter().map(|t| ByteArray::from(*t)).collect::<Vec<_>>();
        for column in [["2026-11-25T09:00:00Z"; 2], ["click"; 2], ["s1", "s2"], ["p1", "p2"]] {
            let mut writer = group.next_column().unwrap().unwrap();
            writer.typed::<ByteArrayType>().write_batch(&texts(&column), None, None).unwrap();
            writer.close().unwrap();
        }
        let mut writer = group.next_column().unwrap().unwrap();
        writer.typed::<Int32Type>().write_batch(&[2], Some(&[1, 0]), None).unwrap();
        writer.close().unwrap();
        let mut writer = group.next_column().unwrap().unwrap();
        writer.typed::<DoubleType>().write_batch(&[0.5, weight], None, None).unwrap();
        writer.close().unwrap();
        let mut writer = group.next_column().unwrap().unwrap();
        let shown = texts(&["p0", "p1"]);
        writer.typed::<ByteArrayType>().write_batch(&shown, Some(&[2, 2, 0]), Some(&[0, 1, 0])).unwrap();
        writer.close().unwrap();
        group.close().unwrap();
        file.close().unwrap();
    }

    #[test]
    fn rows_are_lines_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.parquet");
        write(&path, 1.0);
        let log = ClickLog::read(&path).unwrap();
        let click = |search: &str, product: &str, weight| Click {
            at: "2026-11-25T09:00:00Z".into(),
            kind: "click".into(),
            search: search.into(),
            product: product.into(),
            weight,
            ..Click::default()
        };
        let first = Click { rank: Some(2), shown: vec!["p0".into(), "p1".into()], ..click("s1", "p1", 0.5) };
        assert_eq!(log.clicks, [first, click("s2", "p2", 1.0)]);

        write(&path, 7.0);
        assert!(matches!(ClickLog::read(&path), Err(TrainError::Clicks { line: 2, .. })));
        let whole = std::fs::read(&path).unwrap();
        for at in (4..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(matches!(ClickLog::read(&path), Err(TrainError::Clicks { .. })), "cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 0x41;
            std::fs::write(&path, damaged).unwrap();
            // Whatever it says, it says it.
            let _ = ClickLog::read(&path);
        }
    }
}
