//! From claims to a product, whatever format they came in.
//!
//! Claims go in under the names of Google Merchant feeds. The first one that says something wins where there can be only
//! one. What has no place in the product model becomes an attribute under the name it came with.

use crate::address::{self, Address, Addresses};
use crate::price::{NoPrice, price};
use crate::read::Out;
use crate::{FindingKind, Settings, text, words};
use twinset_catalogue::{Availability, Category, Image, PictureHash, Product, Role};

/// As the catalogue keeps them.
const NAME_CHARS: usize = 256;
const TITLE_CHARS: usize = 1_000;
const DESCRIPTION_CHARS: usize = 20_000;
const URL_CHARS: usize = 8_192;
const IMAGES: usize = 50;
const LIST: usize = 1_000;

/// An image before its address is resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawImage {
    pub(crate) url: String,
    pub(crate) role: Role,
    pub(crate) alt: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) variant: Option<String>,
    pub(crate) picture: Option<PictureHash>,
}

/// A product in the making.
pub(crate) struct Draft<'a> {
    settings: &'a Settings,
    row: u64,
    pub(crate) product: Product,
    pub(crate) images: Vec<RawImage>,
    /// The product is written in our own form: texts are kept letter by letter.
    pub(crate) verbatim: bool,
    findings: Vec<(FindingKind, String)>,
    prices: [Option<String>; 2],
    currency: Option<String>,
    structured: [Option<String>; 2],
    gone: bool,
    /// Where relative addresses of this row lie, before `link` is asked.
    pub(crate) uploads: Option<String>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(settings: &'a Settings, row: u64) -> Self {
        Self {
            settings,
            row,
            product: Product::default(),
            images: Vec::new(),
            verbatim: false,
            findings: Vec::new(),
            prices: [None, None],
            currency: None,
            structured: [None, None],
            gone: false,
            uploads: None,
        }
    }

    pub(crate) fn find(&mut self, kind: FindingKind, detail: impl Into<String>) {
        self.findings.push((kind, detail.into()));
    }

    /// One claim under its name in a Google Merchant feed.
    pub(crate) fn claim(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        let p = &mut self.product;
        match name {
            "id" => set_text(&mut p.id, value),
            "item_group_id" | "group_id" => set(&mut p.group_id, || value.to_owned()),
            "title" => set(&mut p.title, || text::line(value)),
            "description" => set(&mut p.description, || text::plain(value)),
            "structured_title" => set(&mut self.structured[0], || text::line(content(value))),
            "structured_description" => set(&mut self.structured[1], || text::plain(content(value))),
            "link" => set(&mut p.link, || value.to_owned()),
            "image_link" | "image" => self.add_images(value, Role::Main),
            "additional_image_link" | "images" => self.add_images(value, Role::Additional),
            "lifestyle_image_link" => self.add_images(value, Role::Lifestyle),
            "availability" => match words::availability(value) {
                Some(known) => p.availability = known,
                None => self
                    .find(FindingKind::Availability, format!("availability '{}' is not known", short(value))),
            },
            "price" => set(&mut self.prices[0], || value.to_owned()),
            "sale_price" => set(&mut self.prices[1], || value.to_owned()),
            "currency" => set(&mut self.currency, || value.to_owned()),
            "condition" => match words::condition(value) {
                Some(known) => p.condition = p.condition.or(Some(known)),
                None => {
                    self.find(FindingKind::Condition, format!("condition '{}' is not known", short(value)));
                    self.attribute("condition", value);
                }
            },
            "brand" => set(&mut p.brand, || text::line(value)),
            "gtin" => self.gtin(value),
            "mpn" => set(&mut p.mpn, || unquoted(value)),
            "sku" => set(&mut p.sku, || unquoted(value)),
            "google_product_category" => self.category(value),
            "product_type" | "categories" => self.product_type(value),
            "color" => self.values("color", value, &['/', ';', '|', '、']),
            "material" => self.values("material", value, &['/', ';', '|']),
            "size" | "gender" | "age_group" | "pattern" => self.values(name, value, &[]),
            "tags" => {
                let tags = value.split([',', ';', '、', '|']).map(text::line).filter(|t| !t.is_empty());
                p.tags.extend(tags);
            }
            "seller" => set(&mut p.seller, || text::line(value)),
            "expiration_date" => {
                self.gone |= expired(value, self.settings.now_ms);
                self.attribute(name, value);
            }
            _ => self.attribute(name.strip_prefix("attributes.").unwrap_or(name), value),
        }
    }

    /// A claim that the model has no place for.
    pub(crate) fn attribute(&mut self, name: &str, value: &str) {
        let mut name = text::line(name);
        text::cut(&mut name, NAME_CHARS);
        let value = if self.verbatim { value.to_owned() } else { text::plain(value) };
        if name.is_empty() || value.is_empty() {
            return;
        }
        let values = self.product.attributes.entry(name).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    /// The values of one of our lists: `color`, `size`, `material`, `pattern`, `gender`, `age_group`.
    pub(crate) fn values(&mut self, list: &str, value: &str, divided_at: &[char]) {
        let p = &mut self.product;
        let list = match list {
            "color" => &mut p.color,
            "size" => &mut p.size,
            "material" => &mut p.material,
            "pattern" => &mut p.pattern,
            "gender" => &mut p.gender,
            _ => &mut p.age_group,
        };
        for part in value.split(divided_at).map(text::line).filter(|part| !part.is_empty()) {
            if !list.contains(&part) {
                list.push(part);
            }
        }
    }

    /// An option of a shop, such as `Farbe`: one of our lists if its name is known, else an attribute.
    pub(crate) fn option(&mut self, name: &str, value: &str) {
        match words::option(name) {
            Some("color") => self.values("color", value, &['/']),
            Some(list) => self.values(list, value, &[]),
            None => self.attribute(name, value),
        }
    }

    pub(crate) fn add_images(&mut self, cell: &str, role: Role) {
        self.images.extend(address::split(cell).into_iter().map(|url| RawImage {
            url: url.to_owned(),
            role,
            ..RawImage::default()
        }));
    }

    pub(crate) fn image(&mut self, url: &str, role: Role, alt: &str) {
        if !url.trim().is_empty() {
            let alt = Some(text::line(alt)).filter(|alt| !alt.is_empty());
            self.images.push(RawImage { url: url.trim().to_owned(), role, alt, ..RawImage::default() });
        }
    }

    fn gtin(&mut self, value: &str) {
        let value = unquoted(value);
        // `8.80123E+12`: the digits are lost.
        let spoilt =
            value.contains(['e', 'E']) && value.bytes().all(|b| b.is_ascii_digit() || b"eE+.,".contains(&b));
        if spoilt {
            self.find(
                FindingKind::SpoiltGtin,
                format!("gtin '{}' was rounded by a spreadsheet", short(&value)),
            );
        } else {
            // `8801234567890.0`
            set(&mut self.product.gtin, || value.strip_suffix(".0").unwrap_or(&value).to_owned());
        }
    }

    fn category(&mut self, value: &str) {
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        let rest = value[digits.len()..].trim_start_matches([' ', '-', ':']);
        let google_id = if digits.is_empty()
            || rest.starts_with(|c: char| c.is_alphanumeric())
                && value.as_bytes().get(digits.len()).is_some_and(u8::is_ascii_alphanumeric)
        {
            None
        } else {
            digits.parse().ok()
        };
        let path = path(if google_id.is_some() { rest } else { value });
        if self.product.category.is_none() && (google_id.is_some() || !path.is_empty()) {
            self.product.category = Some(Category { google_id, path });
        }
    }

    fn product_type(&mut self, value: &str) {
        let path = path(value);
        if !path.is_empty() && !self.product.product_type.contains(&path) {
            self.product.product_type.push(path);
        }
    }

    /// Price and reduced price where the shop says which it was before: the higher one is the price.
    pub(crate) fn compared(&mut self, now: &str, before: &str) {
        let read = |text| price(text, self.settings.currency).map(|m| m.amount).ok();
        match (read(now), read(before)) {
            (Some(low), Some(high)) if high > low => {
                self.claim("price", before);
                self.claim("sale_price", now);
            }
            _ => self.claim("price", now),
        }
    }

    fn read_prices(&mut self) {
        let currency = self.currency.take();
        let usual = currency.as_deref().and_then(|c| c.parse().ok()).or(self.settings.currency);
        let [mut full, mut sale] = [None, None];
        for (at, text) in std::mem::take(&mut self.prices).into_iter().enumerate() {
            let (Some(text), name) = (text, ["price", "sale_price"][at]) else { continue };
            match price(&text, usual) {
                Ok(money) => {
                    if money.amount.micros() == 0 && at == 0 {
                        self.find(FindingKind::ZeroPrice, format!("{name} is '{}'", short(&text)));
                    }
                    *[&mut full, &mut sale][at] = Some(money);
                }
                Err(NoPrice::Absent) => {}
                Err(NoPrice::NoCurrency) => {
                    self.find(
                        FindingKind::Currency,
                        format!("{name} '{}' names no currency, and the source has none set", short(&text)),
                    );
                }
                Err(NoPrice::Unreadable) => {
                    self.find(FindingKind::Price, format!("{name} '{}' cannot be read", short(&text)))
                }
                Err(NoPrice::Negative) => {
                    self.find(FindingKind::Price, format!("{name} '{}' is negative", short(&text)))
                }
            }
        }
        self.product.price = self.product.price.or(full);
        self.product.sale_price = self.product.sale_price.or(sale);
    }

    fn resolve(&mut self) {
        let settings = self.settings;
        let shop = settings.shop_domain.as_ref().map(|domain| {
            format!("https://{}/", domain.trim_start_matches("https://").trim_end_matches('/'))
        });
        if let Some(link) = self.product.link.take() {
            let bases = [settings.base_url.as_deref(), shop.as_deref()];
            self.product.link = Addresses::new(bases.into_iter().flatten()).link(&link);
            if self.product.link.is_none() {
                self.find(FindingKind::Address, format!("link '{}' is no web address", short(&link)));
            }
        }
        let bases = [self.uploads.clone(), self.product.link.clone(), settings.base_url.clone(), shop];
        let addresses = Addresses::new(bases.iter().flatten().map(String::as_str));
        let mut seen = std::collections::HashSet::new();
        let mut names = std::collections::HashSet::new();
        let mut images: Vec<Image> = Vec::new();
        // The main image first, lifestyle last, else in the order of the feed; images with names keep their order.
        let mut raw = std::mem::take(&mut self.images);
        if raw.iter().all(|image| image.name.is_none()) {
            raw.sort_by_key(|image| image.role as u8);
        }
        for RawImage { url, role, alt, name, variant, picture } in raw {
            let url = if url.is_empty() {
                None
            } else {
                match addresses.read(&url) {
                    Address::Web(url) if url.len() <= URL_CHARS => Some(url),
                    Address::File(file) if file.len() <= URL_CHARS => Some(file),
                    Address::Video(url) => {
                        self.find(FindingKind::Video, format!("'{}' is a video", short(&url)));
                        continue;
                    }
                    _ => {
                        self.find(FindingKind::Address, format!("image '{}' is no web address", short(&url)));
                        continue;
                    }
                }
            };
            if name.is_none() && url.as_ref().is_some_and(|url| !seen.insert(address::without_version(url))) {
                continue;
            }
            if images.len() == IMAGES {
                self.find(
                    FindingKind::TooManyImages,
                    format!("{IMAGES} images are kept, the others are left out"),
                );
                break;
            }
            let usual = if images.is_empty() { "main".to_owned() } else { (images.len() + 1).to_string() };
            let mut name = name.unwrap_or(usual);
            while !names.insert(name.clone()) {
                name.push('_');
            }
            let role = match (images.is_empty(), role) {
                _ if self.verbatim => role,
                (true, Role::Additional) => Role::Main,
                (false, Role::Main) => Role::Additional,
                (_, role) => role,
            };
            images.push(Image { name, url, role, alt, variant, picture });
        }
        self.product.images = images;
    }

    fn cut_to_limits(&mut self) {
        let p = &mut self.product;
        let mut cut = Vec::new();
        let long = [
            ("title", &mut p.title, TITLE_CHARS),
            ("description", &mut p.description, DESCRIPTION_CHARS),
            ("group_id", &mut p.group_id, NAME_CHARS),
            ("brand", &mut p.brand, TITLE_CHARS),
            ("gtin", &mut p.gtin, NAME_CHARS),
            ("mpn", &mut p.mpn, NAME_CHARS),
            ("sku", &mut p.sku, NAME_CHARS),
            ("seller", &mut p.seller, NAME_CHARS),
        ];
        for (name, text, most) in long {
            if let Some(text) = text {
                // What the catalogue refuses, and C programs stumble over.
                text.retain(|c| c != '\0');
                if text::cut(text, most) {
                    cut.push(format!("{name} is cut to {most} characters"));
                }
            }
            if text.as_ref().is_some_and(|t| t.is_empty()) {
                *text = None;
            }
        }
        let paths = p.product_type.iter_mut().map(|path| ("product_type", path));
        let lists = [
            ("color", &mut p.color),
            ("size", &mut p.size),
            ("material", &mut p.material),
            ("pattern", &mut p.pattern),
            ("gender", &mut p.gender),
            ("age_group", &mut p.age_group),
            ("tags", &mut p.tags),
        ];
        let attributes = p.attributes.values_mut().map(|values| ("attributes", values));
        for (name, list) in lists.into_iter().chain(paths).chain(attributes) {
            if list.len() > LIST {
                list.truncate(LIST);
                cut.push(format!("{name} is cut to {LIST} values"));
            }
            for value in list {
                value.retain(|c| c != '\0');
                if text::cut(value, DESCRIPTION_CHARS) {
                    cut.push(format!("{name} is cut to {DESCRIPTION_CHARS} characters"));
                }
            }
        }
        if p.product_type.len() > LIST {
            p.product_type.truncate(LIST);
            cut.push(format!("product_type is cut to {LIST} paths"));
        }
        while p.attributes.len() > LIST {
            p.attributes.pop_last();
        }
        cut.into_iter().for_each(|detail| self.find(FindingKind::Cut, detail));
    }

    /// Tells the product, or why it is none.
    pub(crate) fn finish(mut self, out: &mut Out<'_>) {
        self.read_prices();
        let [title, description] = std::mem::take(&mut self.structured);
        self.product.title = self.product.title.take().or(title);
        self.product.description = self.product.description.take().or(description);
        self.resolve();
        if !self.verbatim {
            self.cut_to_limits();
        }
        self.product.id = self.product.id.trim().to_owned();
        let id = Some(self.product.id.clone()).filter(|id| !id.is_empty());
        if id.is_none() {
            self.findings.clear();
            let about = self
                .product
                .title
                .as_deref()
                .or(self.product.link.as_deref())
                .unwrap_or("nothing else known");
            self.find(FindingKind::MissingId, format!("a row without id ({}) is left out", short(about)));
        } else if self.gone {
            self.findings.clear();
            self.find(FindingKind::Expired, "its expiration date is past: treated as gone");
        } else if let Err(fault) = self.product.check() {
            self.find(FindingKind::BadRow, fault.to_string());
        } else {
            if self.product.images.is_empty() {
                self.find(FindingKind::MissingImage, "no image: nobody will find it");
            }
            let texts = [&self.product.title, &self.product.description, &self.product.brand];
            let spoilt =
                texts.into_iter().flatten().find(|text| text::mojibake(text)).map(|text| short(text));
            if let Some(text) = spoilt {
                self.find(FindingKind::Mojibake, format!("'{text}' was decoded wrongly before it came here"));
            }
            self.tell(&id, out);
            out.product(self.row, self.product);
            return;
        }
        self.tell(&id, out);
        out.skipped();
    }

    fn tell(&mut self, id: &Option<String>, out: &mut Out<'_>) {
        for (kind, detail) in std::mem::take(&mut self.findings) {
            out.finding(kind, self.row, id.clone(), detail);
        }
    }

    /// Whether something is known about stock already.
    pub(crate) fn available(&mut self, availability: Availability) {
        self.product.availability = availability;
    }
}

/// The text of `trained_algorithmic_media:"text"`, as text feeds write a structured title.
fn content(value: &str) -> &str {
    let sources = ["trained_algorithmic_media:", "default:"];
    let text = sources.iter().find_map(|source| value.strip_prefix(source)).unwrap_or(value).trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn set(place: &mut Option<String>, value: impl FnOnce() -> String) {
    if place.is_none() {
        *place = Some(value()).filter(|value| !value.is_empty());
    }
}

fn set_text(place: &mut String, value: &str) {
    if place.is_empty() {
        value.clone_into(place);
    }
}

/// Spreadsheets mark texts of digits with a leading `'`.
pub(crate) fn unquoted(value: &str) -> String {
    value.trim().trim_start_matches('\'').trim().to_owned()
}

pub(crate) fn path(value: &str) -> Vec<String> {
    let decoded = html_escape::decode_html_entities(value);
    decoded.split(['>', '›', '»']).map(text::line).filter(|part| !part.is_empty()).collect()
}

/// Cut for messages.
pub(crate) fn short(text: &str) -> String {
    if text.chars().count() > 80 { text.chars().take(79).chain(['…']).collect() } else { text.to_owned() }
}

/// Whether an ISO 8601 date or time is past; a date alone lasts until its end. What cannot be read never expires.
fn expired(text: &str, now_ms: u64) -> bool {
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<i64>().ok());
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
        return false;
    };
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return false;
    }
    // Days since 1970 of a Gregorian date: Howard Hinnant, chrono-compatible low-level date algorithms, days_from_civil.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let time = match (number(11..13), number(14..16)) {
        (Some(hour), Some(minute)) => hour * 60 + minute,
        _ => 24 * 60,
    };
    let zone = text.get(16..).and_then(|rest| {
        let at = rest.rfind(['+', '-'])?;
        let digits: String = rest[at + 1..].chars().filter(char::is_ascii_digit).collect();
        let minutes = digits.get(0..2)?.parse::<i64>().ok()? * 60
            + digits.get(2..4).map_or(Some(0), |m| m.parse().ok())?;
        Some(if rest.as_bytes()[at] == b'-' { -minutes } else { minutes })
    });
    let ends = (days * 1440 + time - zone.unwrap_or(0)) * 60_000;
    now_ms > 0 && ends >= 0 && (ends as u64) <= now_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_expire_at_their_end() {
        let noon = 1_772_452_800_000; // 2026-03-02T12:00Z
        for (text, gone) in [
            ("2026-03-01", true),
            ("2026-03-02", false),
            ("2026-03-02T11:59", true),
            ("2026-03-02T13:30+02:00", true),
            ("2026-03-02T11:30-0100", false),
            ("2027-01-01T00:00Z", false),
            ("soon", false),
            ("2026-13-40", false),
        ] {
            assert_eq!(expired(text, noon), gone, "{text}");
        }
        assert!(!expired("2020-01-01", 0));
    }
}
