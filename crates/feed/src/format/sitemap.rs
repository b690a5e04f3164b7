//! Sitemaps and plain lists of addresses: the pages behind them have the products.

use crate::read::Out;
use crate::table::{Record, Table};
use crate::xml::{Token, Xml};
use crate::{Addresses, FindingKind, Result, Settings};
use std::io::Read;

/// `<url><loc>` and `<sitemap><loc>` alike.
pub(crate) fn read(input: impl Read, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let mut xml = Xml::new(input, settings.limits.cell_bytes);
    let mut address: Option<String> = None;
    let mut number = 0;
    let mut ended = false;
    while let Some(token) = xml.next()? {
        match token {
            Token::Open { name, empty: false, .. } if name == "loc" => address = Some(String::new()),
            Token::Close { name } if name == "loc" => {
                number += 1;
                tell(&address.take().unwrap_or_default(), number, settings, out);
            }
            Token::Close { name } if name == "urlset" || name == "sitemapindex" => ended = true,
            Token::Text { text, .. } => {
                if let Some(address) = &mut address {
                    address.push_str(&text);
                }
            }
            _ => {}
        }
        if out.stopped() {
            return Ok(());
        }
    }
    if !ended {
        out.cut_off("the sitemap ends in the middle");
    }
    Ok(())
}

/// One address a line.
pub(crate) fn read_list(input: impl Read, head: &str, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let mut lines = Table::new(input, b'\t', head, &settings.limits);
    while let Some(record) = lines.next()? {
        match record {
            Record::Row { line, cells, .. } => {
                tell(cells.first().map_or("", String::as_str), line, settings, out)
            }
            Record::Bad { line, reason } => out.bad_row(line, reason),
        }
        if out.stopped() {
            return Ok(());
        }
    }
    Ok(())
}

fn tell(address: &str, number: u64, settings: &Settings, out: &mut Out<'_>) {
    match Addresses::new(settings.base_url.as_deref()).link(address) {
        Some(url) => out.page(number, url),
        None => {
            out.skipped();
            out.finding(
                FindingKind::Address,
                number,
                None,
                format!("'{}' is no web address", crate::draft::short(address)),
            );
        }
    }
}
