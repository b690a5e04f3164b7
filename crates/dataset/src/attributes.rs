//! The `attributes` cell: sellers' exports write it in three ways, all become a map of text to texts.
use std::collections::BTreeMap;

/// The key of a list that has no key of its own (`dress|hair|shoes`).
pub(crate) const LABELS: &str = "labels";

/// Reads a JSON object, `a=b;c=d|e` (or with commas between the pairs), or a bare `a|b|c`.
///
/// Never fails: what fits none of these is one text under [`LABELS`].
pub(crate) fn parse(cell: &str) -> BTreeMap<String, Vec<String>> {
    let cell = cell.trim();
    let mut map = BTreeMap::new();
    if cell.is_empty() {
        return map;
    }
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(cell) {
        for (key, value) in object {
            map.insert(key, texts(value));
        }
        return map;
    }
    let starts = pair_starts(cell);
    if starts.first() != Some(&0) {
        map.insert(LABELS.to_owned(), split_list(cell));
        return map;
    }
    for (i, &start) in starts.iter().enumerate() {
        // The separator before the next pair is one byte, `;` or `,`.
        let end = starts.get(i + 1).map_or(cell.len(), |next| next - 1);
        if let Some((key, value)) = cell[start..end].split_once('=') {
            map.entry(key.trim().to_owned()).or_default().extend(split_list(value));
        }
    }
    map
}

/// Byte positions where `key=` begins. A separator without a key after it belongs to the value before:
/// values hold commas and HTML entities (`EverCool&trade;`).
fn pair_starts(cell: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut from = 0;
    for part in cell.split_inclusive([';', ',']) {
        if let Some((key, _)) = part.split_once('=') {
            let key = key.trim();
            let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
            if !key.is_empty() && key.chars().all(word) {
                starts.push(from);
            }
        }
        from += part.len();
    }
    starts
}

fn split_list(value: &str) -> Vec<String> {
    value.split('|').map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned).collect()
}

fn texts(value: serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text],
        Value::Array(items) => items.into_iter().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[track_caller]
    fn check(cell: &str, expected: &[(&str, &[&str])]) {
        let found = parse(cell);
        let expected: std::collections::BTreeMap<String, Vec<String>> = expected
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.iter().map(|t| (*t).to_owned()).collect()))
            .collect();
        assert_eq!(found, expected, "{cell}");
    }

    #[test]
    fn reads_all_three_ways() {
        check("", &[]);
        check(
            r#"{"sender": 124, "kids": false, "n": null}"#,
            &[("sender", &["124"]), ("kids", &["false"]), ("n", &[])],
        );
        check("dress|hair|jacket", &[("labels", &["dress", "hair", "jacket"])]);
        check("Fruit", &[("labels", &["Fruit"])]);
        check("material=Cotton|Wool;color=Gray", &[("material", &["Cotton", "Wool"]), ("color", &["Gray"])]);
        check("a=1,b=,c=x|y", &[("a", &["1"]), ("b", &[]), ("c", &["x", "y"])]);
    }

    #[test]
    fn separators_inside_values_stay() {
        check(
            "m=EverCool&trade;|Silk, washed;c=Red",
            &[("m", &["EverCool&trade;", "Silk, washed"]), ("c", &["Red"])],
        );
        check("1 + 1 = 2; so what", &[("labels", &["1 + 1 = 2; so what"])]);
    }
}
