//! Plain text out of what shops write: HTML, entities written twice, control characters, mojibake.

use encoding_rs::WINDOWS_1252;

/// Elements after which a reader expects a break.
const BLOCKS: [&str; 18] = [
    "p", "br", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "section",
];

/// Text without markup: entities decoded, tags dropped, blanks run together; a break of a block element becomes `\n`.
pub(crate) fn plain(text: &str) -> String {
    let decoded = html_escape::decode_html_entities(text);
    let stripped = if decoded.contains('<') { strip(&decoded) } else { decoded.into_owned() };
    let again = html_escape::decode_html_entities(&stripped);
    tidy(&again)
}

/// One line of text: as [`plain`], breaks become blanks.
pub(crate) fn line(text: &str) -> String {
    let plain = plain(text);
    if plain.contains('\n') {
        plain.split('\n').map(str::trim).filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ")
    } else {
        plain
    }
}

/// Drops `<tag ...>`, comments, and what stands inside `script` and `style`.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let opens = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let Some(end) = rest.find('>').filter(|_| opens) else {
            // `size < 10`
            out.push('<');
            rest = &rest[1..];
            continue;
        };
        let tag = &rest[1..end];
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        rest = &rest[end + 1..];
        if BLOCKS.contains(&name.as_str()) {
            out.push('\n');
        }
        if (name == "script" || name == "style") && !tag.starts_with('/') {
            let close = format!("</{name}");
            let lower = rest.to_ascii_lowercase();
            rest = lower.find(&close).map_or("", |at| &rest[at..]);
        }
    }
    out.push_str(rest);
    out
}

/// Runs of blanks become one, runs of breaks one; control characters go.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // What stands between the last character and the next one.
    let mut gap = None;
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => gap = Some('\n'),
            c if c.is_whitespace() => gap = gap.or(Some(' ')),
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{ad}') => {}
            c => {
                if let Some(gap) = gap.take()
                    && !out.is_empty()
                {
                    out.push(gap);
                }
                out.push(c);
            }
        }
    }
    out
}

/// UTF-8 that somebody has read as windows-1252: `GrÃ¶ÃŸe`. Also text that holds the sign for undecodable bytes.
pub(crate) fn mojibake(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    if text.contains('\u{fffd}') {
        return true;
    }
    // Every character beyond ASCII must be one of windows-1252, and their bytes UTF-8: chance hardly does that twice.
    let (bytes, _, lost) = WINDOWS_1252.encode(text);
    !lost && std::str::from_utf8(&bytes).is_ok()
}

/// At most `most` characters, cut at a character; whether something was cut.
pub(crate) fn cut(text: &mut String, most: usize) -> bool {
    if text.len() <= most {
        return false;
    }
    match text.char_indices().nth(most) {
        Some((at, _)) => {
            text.truncate(at);
            text.truncate(text.trim_end().len());
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_goes_and_text_stays() {
        for (text, expected) in [
            (
                "<p>Sleeveless <b>midi</b> dress,<br/>\"washed\" linen.</p>",
                "Sleeveless midi dress,\n\"washed\" linen.",
            ),
            ("AT&amp;amp;T &lt;p&gt;x&lt;/p&gt;", "AT&T\nx"),
            ("size < 10 & > 5, I <3 it", "size < 10 & > 5, I <3 it"),
            ("a&nbsp;&eacute;&#8364;&#x20AC;&unknown;", "a é€€&unknown;"),
            ("x<script>var a = '<b>';</script>y<style>p{}</style>z<!-- <b> -->!", "xyz!"),
            ("  a \u{0}\u{7} b\r\n\r\n c ", "a b\nc"),
            ("open <b", "open <b"),
            ("비니 <em>울</em>", "비니 울"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
        assert_eq!(line("a<br>b\n\nc"), "a b c");
    }

    #[test]
    fn wrongly_decoded_text_is_noticed() {
        for good in ["Größe", "café", "비니", "naïve €", "plain"] {
            assert!(!mojibake(good), "{good}");
        }
        for bad in ["GrÃ¶ÃŸe", "cafÃ©", "x\u{fffd}"] {
            assert!(mojibake(bad), "{bad}");
        }
    }

    #[test]
    fn cutting_respects_characters() {
        let mut text = "가나다".to_owned();
        assert!(cut(&mut text, 2));
        assert_eq!(text, "가나");
        assert!(!cut(&mut text, 2));
    }
}
