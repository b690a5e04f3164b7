//! The story of a feed: unpack, decode, recognise, read row by row.

use crate::draft::short;
use crate::encoding::Utf8;
use crate::format::{json, jsonld, merchant_xml, plain_table, shopify_table, sitemap, woocommerce};
use crate::recognise::{self, Format};
use crate::unpack::{LimitReached, fill, unpack};
use crate::{FeedError, Finding, FindingKind, Result, Settings};
use serde::Serialize;
use std::cell::RefCell;
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::rc::Rc;
use twinset_catalogue::Product;

/// Text that is looked at to recognise a format.
const HEAD: usize = 64 << 10;
/// How a Parquet file begins.
const PARQUET: &[u8; 4] = b"PAR1";

/// What a feed says, one thing at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A product is listed.
    Product {
        /// Line of a text feed, number of the product in others.
        row: u64,
        /// With `images` that have names and addresses, and no pictures yet.
        product: Box<Product>,
    },
    /// A product is to be removed.
    Removed {
        /// As above.
        row: u64,
        /// Its id.
        id: String,
    },
    /// A page that may describe products: fetch it, and read it as a feed of its own.
    Page {
        /// As above.
        row: u64,
        /// Absolute address.
        url: String,
    },
    /// A person should look at this.
    Finding(Finding),
}

/// Where events go; told to break, reading ends there.
pub type Sink<'a> = dyn FnMut(Event) -> ControlFlow<()> + 'a;

/// What a feed was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Recognised by content.
    pub format: Format,
    /// `UTF-8`, `EUC-KR`, ...
    pub encoding: &'static str,
    /// Rows that were read, those left out included.
    pub rows: u64,
    /// Products told.
    pub products: u64,
    /// Removals told.
    pub removed: u64,
    /// Rows left out; a finding says why.
    pub skipped: u64,
    /// The feed ends in the middle, and why we think so: what is missing in it must not be taken as gone.
    pub partial: Option<String>,
    /// The sink asked to end.
    pub stopped: bool,
}

/// Events on their way out, counted.
pub(crate) struct Out<'a> {
    pub(crate) sink: &'a mut Sink<'a>,
    pub(crate) summary: Summary,
}

impl Out<'_> {
    fn tell(&mut self, event: Event) {
        if !self.summary.stopped {
            self.summary.stopped = (self.sink)(event).is_break();
        }
    }
    pub(crate) fn stopped(&self) -> bool {
        self.summary.stopped
    }
    pub(crate) fn finding(
        &mut self,
        kind: FindingKind,
        row: u64,
        id: Option<String>,
        detail: impl Into<String>,
    ) {
        self.tell(Event::Finding(Finding { kind, row, id, detail: detail.into() }));
    }
    /// A row was read, and something was told about it.
    pub(crate) fn product(&mut self, row: u64, product: Product) {
        self.summary.rows += 1;
        self.summary.products += 1;
        self.tell(Event::Product { row, product: Box::new(product) });
    }
    pub(crate) fn removed(&mut self, row: u64, id: String) {
        self.summary.rows += 1;
        self.summary.removed += 1;
        self.tell(Event::Removed { row, id });
    }
    pub(crate) fn page(&mut self, row: u64, url: String) {
        self.summary.rows += 1;
        self.tell(Event::Page { row, url });
    }
    pub(crate) fn skipped(&mut self) {
        self.summary.rows += 1;
        self.summary.skipped += 1;
    }
    /// A row that is left out, with the reason.
    pub(crate) fn bad_row(&mut self, row: u64, detail: impl Into<String>) {
        self.skipped();
        self.finding(FindingKind::BadRow, row, None, detail);
    }
    /// The feed ends in the middle.
    pub(crate) fn cut_off(&mut self, detail: impl Into<String>) {
        let detail = detail.into();
        self.finding(FindingKind::CutOff, self.summary.rows, None, detail.clone());
        self.summary.partial.get_or_insert(detail);
    }
}

/// The decoded text, shared with whoever asks afterwards how decoding went.
struct Shared<R>(Rc<RefCell<Utf8<R>>>);

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().read(into)
    }
}

/// Fails once, if there is something to fail with.
struct Broken(Option<std::io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Reads a feed to its end, or until `sink` breaks.
///
/// # Errors
/// [`FeedError`] if this is no feed, needs a mapping, or passes a limit. A feed that is cut off or damaged in the middle is
/// no error: see [`Summary::partial`].
pub fn read<'a>(input: Box<dyn Read + 'a>, settings: &Settings, sink: &'a mut Sink<'a>) -> Result<Summary> {
    let told = settings.mapping.as_ref().and_then(|m| m.encoding.as_ref());
    let told = told.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
    let mut bytes = unpack(input, &settings.limits).map_err(limit)?;
    let mut first = [0; PARQUET.len()];
    let filled = fill(&mut bytes, &mut first).map_err(|error| limit(error.into()))?;
    let bytes = Cursor::new(first).take(filled as u64).chain(bytes);
    if first == *PARQUET {
        let mut out = Out { sink, summary: Summary { format: Format::Parquet, ..empty() } };
        parquet(bytes, settings, &mut out).map_err(limit)?;
        return Ok(out.summary);
    }
    let decoder = Rc::new(RefCell::new(Utf8::new(bytes, told, settings.language.as_deref())));
    let mut text = Shared(decoder.clone());
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    // What breaks off within the head is told after the rows that came before.
    let broken = loop {
        match fill(&mut text, &mut head[filled..filled + 1024.min(HEAD - filled)]) {
            Ok(0) => break None,
            Ok(n) => filled += n,
            Err(error) => break Some(error),
        }
    };
    head.truncate(filled);
    let shown = String::from_utf8_lossy(&head).into_owned();
    let (format, skip) = match recognise::recognise(&shown, settings.mapping.is_some()) {
        Ok(found) => found,
        // Too little came to know it by: what broke it off says more.
        Err(error) => return Err(broken.map_or(error, |broken| limit(FeedError::Io(broken)))),
    };
    let mut out = Out { sink, summary: Summary { format: format.clone(), ..empty() } };
    let whole = Cursor::new(head.split_off(skip.min(head.len()))).chain(Broken(broken)).chain(text);
    let done = match &format {
        Format::MerchantXml => merchant_xml::read(whole, settings, &mut out),
        Format::Html => jsonld::read(whole, settings, &mut out),
        Format::Sitemap => sitemap::read(whole, settings, &mut out),
        Format::UrlList => sitemap::read_list(whole, &shown[skip..], settings, &mut out),
        Format::JsonLines => json::read_lines(whole, settings, &mut out),
        Format::ShopifyJson | Format::Json | Format::JsonLd => json::read_whole(whole, settings, &mut out),
        Format::ShopifyTable => shopify_table::read(whole, &shown[skip..], settings, &mut out),
        Format::WooCommerce => woocommerce::read(whole, &shown[skip..], settings, &mut out),
        Format::MerchantTable | Format::MappedTable | Format::GuessedTable => {
            plain_table::read(whole, &shown[skip..], &format, settings, &mut out)
        }
        Format::Parquet => unreachable!("known by its bytes, before they were read as text"),
    };
    match done {
        // A packed or transferred feed that ends too early: what was whole is told.
        Err(FeedError::Io(error))
            if out.summary.rows > 0 && !error.get_ref().is_some_and(|e| e.is::<LimitReached>()) =>
        {
            out.cut_off(format!("the feed breaks off after row {}: {error}", out.summary.rows));
        }
        other => other.map_err(limit)?,
    }
    if format == Format::Html && out.summary.rows == 0 && out.summary.partial.is_none() {
        return Err(FeedError::PageWithoutProducts { head: short(shown.trim()) });
    }
    let decoder = decoder.borrow();
    if let Some((declared, true_one)) = decoder.lied() {
        out.finding(
            FindingKind::WrongEncoding,
            0,
            None,
            format!("the feed says it is {declared}; it is {true_one}"),
        );
    }
    if decoder.undecodable {
        let name = decoder.encoding.map_or("UTF-8", |e| e.name());
        out.finding(
            FindingKind::Undecodable,
            0,
            None,
            format!("some bytes are no {name}; they were replaced by \u{fffd}"),
        );
    }
    out.summary.encoding = decoder.encoding.map_or("UTF-8", |e| e.name());
    Ok(out.summary)
}

#[cfg(feature = "parquet")]
fn parquet(bytes: impl Read, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    crate::format::parquet::read(bytes, settings, out)
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: impl Read, _: &Settings, _: &mut Out<'_>) -> Result<()> {
    Err(FeedError::NoParquet)
}

/// Limits come through readers as I/O errors.
fn limit(error: FeedError) -> FeedError {
    match error {
        FeedError::Io(error) => {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<LimitReached>()) {
                Some(reached) => FeedError::TooLarge { limit: reached.0.clone() },
                None => FeedError::Io(error),
            }
        }
        other => other,
    }
}

/// Of a feed that is read for something else.
pub(crate) fn empty() -> Summary {
    Summary {
        format: Format::Json,
        encoding: "UTF-8",
        rows: 0,
        products: 0,
        removed: 0,
        skipped: 0,
        partial: None,
        stopped: false,
    }
}
