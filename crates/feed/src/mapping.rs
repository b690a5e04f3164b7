//! How a table that is not known here says what we call id, title and image.
//!
//! A mapping file is TOML:
//!
//! ```toml
//! delimiter = ";"                      # if it cannot be guessed
//! encoding = "euc-kr"                  # if it cannot be guessed
//!
//! [columns]                            # ours = theirs
//! id = "{Artikel}-{Farbe}"             # a template of columns
//! title = "Bezeichnung"
//! image_link = ["Bild 1", "Bild 2"]    # all of them, in this order
//!
//! [constants]                          # ours = always this
//! brand = "Marram & Tide"
//! ```
//!
//! Ours are the names of Google Merchant feeds (`image_link`, `item_group_id`, ...), of the product model, or any other
//! name, which becomes an attribute. Columns that are not named become attributes under their own names.

use crate::{FeedError, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A mapping file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// One character.
    pub(crate) delimiter: Option<char>,
    /// A label of the Encoding Standard.
    pub(crate) encoding: Option<String>,
    pub(crate) columns: BTreeMap<String, Columns>,
    pub(crate) constants: BTreeMap<String, String>,
}

/// One column or template, or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Columns {
    One(String),
    Many(Vec<String>),
}

impl Columns {
    pub(crate) fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`FeedError::Mapping`] says where it is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let mapping: Self = toml::from_str(text).map_err(|error| FeedError::Mapping(error.to_string()))?;
        if mapping.delimiter.is_some_and(|c| !c.is_ascii() || c == '"' || c == '\n' || c == '\r') {
            return Err(FeedError::Mapping("delimiter must be one ASCII character".into()));
        }
        if let Some(label) = &mapping.encoding
            && encoding_rs::Encoding::for_label(label.as_bytes()).is_none()
        {
            return Err(FeedError::Mapping(format!(
                "encoding {label} is not known; write utf-8, euc-kr, shift_jis, gb18030, windows-1252, ..."
            )));
        }
        Ok(mapping)
    }

    /// What this row says under each of our names, in the order of our names. `header` and `cells` go side by side.
    pub(crate) fn apply(&self, header: &[String], cells: &[String]) -> Vec<(String, String)> {
        let cell = |name: &str| {
            let at = header.iter().position(|h| h.trim().eq_ignore_ascii_case(name.trim()));
            at.and_then(|at| cells.get(at)).map_or("", |cell| cell.trim())
        };
        let mut out = Vec::new();
        let mut used = Vec::new();
        for (ours, theirs) in &self.columns {
            for template in theirs.all() {
                let value = if template.contains('{') {
                    fill(template, &mut used, &cell)
                } else {
                    used.push(template.trim().to_lowercase());
                    cell(template).to_owned()
                };
                if !value.is_empty() {
                    out.push((ours.clone(), value));
                }
            }
        }
        out.extend(self.constants.iter().map(|(ours, value)| (ours.clone(), value.clone())));
        for (name, value) in header.iter().zip(cells) {
            if !used.contains(&name.trim().to_lowercase()) && !value.trim().is_empty() {
                // As an attribute, also where the name means something to us: the file says what is what.
                out.push((format!("attributes.{}", name.trim()), value.trim().to_owned()));
            }
        }
        out
    }

    /// The first column that the table does not have.
    pub(crate) fn missing(&self, header: &[String]) -> Option<String> {
        let has = |name: &str| header.iter().any(|h| h.trim().eq_ignore_ascii_case(name.trim()));
        let plain = self.columns.values().flat_map(|c| c.all()).filter(|t| !t.contains('{'));
        plain.into_iter().find(|name| !has(name)).cloned()
    }
}

/// `{A}-{B}` with the cells of A and B; empty if all of them are.
fn fill<'a>(template: &str, used: &mut Vec<String>, cell: &impl Fn(&str) -> &'a str) -> String {
    let (mut out, mut any, mut rest) = (String::new(), false, template);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        used.push(name.trim().to_lowercase());
        let value = cell(name);
        any |= !value.is_empty();
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    if any { out } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_renames_joins_and_loses_nothing() {
        let text =
            "[columns]\nid = \"{nr}-{farbe}\"\nimage_link = [\"b1\", \"b2\"]\n[constants]\nbrand = \"M\"";
        let mapping = Mapping::parse(text).unwrap();
        let header = ["NR", "Farbe", "b1", "b2", "rest"].map(str::to_owned);
        let cells = ["7", "rot", "x.jpg", "", "y"].map(str::to_owned);
        let found = mapping.apply(&header, &cells);
        let expected = [("id", "7-rot"), ("image_link", "x.jpg"), ("brand", "M"), ("attributes.rest", "y")];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(mapping.missing(&header), None);
        assert_eq!(mapping.missing(&header[..2]), Some("b1".to_owned()));
        for bad in
            ["[column]\na = \"b\"", "delimiter = \"\\n\"", "encoding = \"klingon\"", "[columns]\nid = 3"]
        {
            assert!(Mapping::parse(bad).is_err(), "{bad}");
        }
    }
}
