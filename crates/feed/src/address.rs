//! Addresses as feeds write them: relative, without scheme, with blanks and letters of all scripts.

use url::Url;

/// What addresses of one row are relative to.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    base: Option<Url>,
}

/// What an address turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Absolute, `http` or `https`.
    Web(String),
    /// A name without a place, kept as it is: a file beside the feed.
    File(String),
    /// Of a video.
    Video(String),
    /// Nothing that can be fetched.
    Unusable,
}

impl Addresses {
    /// Relative to the first of these that is an absolute web address.
    #[must_use]
    pub fn new<'a>(bases: impl IntoIterator<Item = &'a str>) -> Self {
        let web =
            |text: &str| Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        Self { base: bases.into_iter().find_map(web) }
    }

    pub(crate) fn read(&self, text: &str) -> Address {
        let text = text.trim().trim_matches(['"', '\'', '<', '>']).trim();
        let decoded = if text.contains("&amp;") { text.replace("&amp;", "&") } else { text.to_owned() };
        let text = decoded.as_str();
        if text.is_empty() || text.contains(char::is_control) {
            return Address::Unusable;
        }
        let full = if let Some(rest) = text.strip_prefix("//") {
            Url::parse(&format!("{}://{rest}", self.base.as_ref().map_or("https", |base| base.scheme())))
        } else {
            match Url::parse(text) {
                Err(url::ParseError::RelativeUrlWithoutBase) => match (&self.base, bare_host(text)) {
                    // `www.shop.example/a.jpg`
                    (_, true) => Url::parse(&format!("https://{text}")),
                    (Some(base), false) => base.join(text),
                    (None, false) => return Address::File(text.to_owned()),
                },
                other => other,
            }
        };
        let Ok(url) = full else { return Address::Unusable };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Address::Unusable;
        }
        // An address that is fine is kept letter by letter: the shop's own log knows it so.
        let fine = text.contains("://")
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
        let kept = if fine { text.to_owned() } else { url.to_string() };
        if video(&url) { Address::Video(kept) } else { Address::Web(kept) }
    }

    /// An absolute web address, or nothing.
    pub(crate) fn link(&self, text: &str) -> Option<String> {
        match self.read(text) {
            Address::Web(url) | Address::Video(url) => Some(url),
            Address::File(_) | Address::Unusable => None,
        }
    }
}

fn bare_host(text: &str) -> bool {
    let host = text.split(['/', '?']).next().unwrap_or_default();
    text.contains('/') && host.len() > 4 && host[..4].eq_ignore_ascii_case("www.")
}

fn video(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    let host = url.host_str().unwrap_or_default();
    [".mp4", ".webm", ".mov", ".avi", ".mkv", ".m3u8", ".m4v"].iter().any(|end| path.ends_with(end))
        || ["youtube.com", "youtu.be", "vimeo.com"]
            .iter()
            .any(|site| host == *site || host.strip_suffix(site).is_some_and(|rest| rest.ends_with('.')))
}

/// Several addresses in one cell. A comma also occurs inside addresses: it divides only before `http://`, `https://` or
/// `//`; bars, semicolons, blanks and line breaks divide likewise. Bare file names are divided at every comma.
pub(crate) fn split(cell: &str) -> Vec<&str> {
    let cell = cell.trim();
    let begins = |rest: &str| {
        let lower = rest.get(..8).or(rest.get(..7)).or(rest.get(..2)).unwrap_or(rest).to_ascii_lowercase();
        lower.starts_with("http://") || lower.starts_with("https://") || lower.starts_with("//")
    };
    let divides = |c: char| matches!(c, ',' | '|' | ';' | '\n' | '\r' | '\t' | ' ');
    if !begins(cell) && !cell.contains("://") {
        return cell
            .split([',', '|', ';', '\n', '\r'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
    }
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, c) in cell.char_indices().filter(|(_, c)| divides(*c)) {
        let rest = cell[at + c.len_utf8()..].trim_start_matches(divides);
        let before = cell[start..at].trim_matches(divides);
        if begins(rest) && !before.is_empty() {
            parts.push(before);
            start = at + c.len_utf8();
        }
    }
    parts.push(cell[start..].trim_matches(divides));
    parts.retain(|part| !part.is_empty());
    parts
}

/// The same picture whatever its version: Shopify counts up `?v=123`.
pub(crate) fn without_version(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let rest: Vec<&str> = query.split('&').filter(|part| !part.starts_with("v=")).collect();
    if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_feeds_write_them() {
        let shop = Addresses::new(["", "https://shop.example/p/mt-101"]);
        let web = |text: &str| Address::Web(text.into());
        for (text, expected) in [
            ("https://a.example/x.jpg?a=1&amp;b=2", web("https://a.example/x.jpg?a=1&b=2")),
            ("/img/mt103.jpg", web("https://shop.example/img/mt103.jpg")),
            ("img.jpg", web("https://shop.example/p/img.jpg")),
            ("//cdn.example/x.jpg", web("https://cdn.example/x.jpg")),
            ("https://a.example/front view.jpg", web("https://a.example/front%20view.jpg")),
            ("https://a.example/여성.jpg", web("https://a.example/%EC%97%AC%EC%84%B1.jpg")),
            ("www.a.example/x.jpg", web("https://www.a.example/x.jpg")),
            (" https://shop.example/img/mt103,detail.jpg ", web("https://shop.example/img/mt103,detail.jpg")),
            ("https://cdn.shop.example/v.mp4", Address::Video("https://cdn.shop.example/v.mp4".into())),
            ("ftp://a.example/x.jpg", Address::Unusable),
            ("file:///etc/passwd", Address::Unusable),
            ("javascript:alert(1)", Address::Unusable),
            ("data:image/png;base64,AAAA", Address::Unusable),
            ("", Address::Unusable),
        ] {
            assert_eq!(shop.read(text), expected, "{text}");
        }
        assert_eq!(Addresses::default().read("lamp.jpg"), Address::File("lamp.jpg".into()));
    }

    #[test]
    fn a_comma_inside_an_address_divides_nothing() {
        let two = ["https://s.example/a,worn.jpg", "https://s.example/b.jpg"];
        assert_eq!(split("https://s.example/a,worn.jpg,https://s.example/b.jpg"), two);
        assert_eq!(split("https://s.example/a,worn.jpg, https://s.example/b.jpg,"), two);
        assert_eq!(split("https://s.example/a,worn.jpg|https://s.example/b.jpg"), two);
        assert_eq!(split("https://s.example/a.jpg,//s.example/b.jpg").len(), 2);
        assert_eq!(split("a.jpg, b.jpg"), ["a.jpg", "b.jpg"]);
        assert!(split(" ").is_empty());
        assert_eq!(without_version("https://c.example/a.jpg?v=1709"), "https://c.example/a.jpg");
        assert_eq!(without_version("https://c.example/a.jpg?w=3&v=1"), "https://c.example/a.jpg?w=3");
    }
}
