//! Markup as feeds contain it, tolerant where a strict reader would stop.
//!
//! In: UTF-8. Out: [`Token`]s, each within limits. A `<` that opens nothing and an `&` that begins no entity are text;
//! ends need no beginnings; the five entities, HTML's names and numbers are known, and nothing a document type declares is
//! looked at, inside or outside the document. Own code instead of a library: each token must be bounded *while* it is read,
//! and reading must go on behind broken markup (decision 0201).

use std::io::{self, Read};

/// Bytes read at once.
const CHUNK: usize = 1 << 16;
/// Bytes of one tag with its attributes.
const TAG: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// `empty`: it closes itself.
    Open {
        name: String,
        attributes: Vec<(String, String)>,
        empty: bool,
    },
    Close {
        name: String,
    },
    /// With entities decoded, unless it was CDATA. `cut`: there was more than the limit.
    Text {
        text: String,
        cut: bool,
    },
}

pub(crate) struct Xml<R> {
    input: R,
    buf: Vec<u8>,
    at: usize,
    ended: bool,
    failed: Option<io::Error>,
    text_limit: usize,
    /// The document ended inside a token.
    pub(crate) torn: bool,
}

impl<R: Read> Xml<R> {
    pub(crate) fn new(input: R, text_limit: usize) -> Self {
        Self { input, buf: Vec::new(), at: 0, ended: false, failed: None, text_limit, torn: false }
    }

    /// The next token; `None` at the end. An error of the input comes after what came before it.
    pub(crate) fn next(&mut self) -> io::Result<Option<Token>> {
        loop {
            if !self.have(1) {
                return self.failed.take().map_or(Ok(None), Err);
            }
            if self.buf[self.at] != b'<' {
                return Ok(Some(self.text(None)));
            }
            if self.begins(b"<!--") {
                self.skip_past(b"-->");
            } else if self.begins(b"<![CDATA[") {
                self.at += 9;
                return Ok(Some(self.text(Some(b"]]>"))));
            } else if self.begins(b"<?") {
                self.skip_past(b"?>");
            } else if self.begins(b"<!") {
                self.skip_declaration();
            } else if let Some(token) = self.tag() {
                return Ok(Some(token));
            } else if !self.torn {
                // It opens nothing: text from here, with the sign itself.
                return Ok(Some(self.text(None)));
            }
        }
    }

    /// Whether `n` bytes are at hand, after reading if need be.
    fn have(&mut self, n: usize) -> bool {
        while self.buf.len() - self.at < n && !self.ended {
            if self.at > CHUNK {
                self.buf.drain(..self.at);
                self.at = 0;
            }
            let before = self.buf.len();
            self.buf.resize(before + CHUNK, 0);
            match self.input.read(&mut self.buf[before..]) {
                Ok(0) => {
                    self.buf.truncate(before);
                    self.ended = true;
                }
                Ok(read) => self.buf.truncate(before + read),
                Err(e) => {
                    self.buf.truncate(before);
                    if e.kind() != io::ErrorKind::Interrupted {
                        (self.ended, self.failed) = (true, Some(e));
                    }
                }
            }
        }
        self.buf.len() - self.at >= n
    }

    fn begins(&mut self, with: &[u8]) -> bool {
        self.have(with.len()) && self.buf[self.at..].starts_with(with)
    }

    /// Passes over everything up to and with `end`.
    fn skip_past(&mut self, end: &[u8]) {
        loop {
            if let Some(found) = find(&self.buf[self.at..], end) {
                self.at += found + end.len();
                return;
            }
            self.at = (self.buf.len() + 1).saturating_sub(end.len()).max(self.at);
            let left = self.buf.len() - self.at;
            if !self.have(left + 1) {
                self.at = self.buf.len();
                self.torn = true;
                return;
            }
        }
    }

    /// `<!DOCTYPE ... [ ... ]>`
    fn skip_declaration(&mut self) {
        let mut depth = 0_usize;
        while self.have(1) {
            let byte = self.buf[self.at];
            self.at += 1;
            match byte {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                b'>' if depth == 0 => return,
                _ => {}
            }
        }
        self.torn = true;
    }

    /// Up to the next markup, or up to `end` (CDATA). The first byte is taken whatever it is.
    fn text(&mut self, end: Option<&[u8]>) -> Token {
        let mut bytes = Vec::new();
        let mut cut = false;
        let mut first = end.is_none();
        loop {
            let skip = usize::from(std::mem::take(&mut first));
            let here = &self.buf[self.at..];
            let found = match end {
                Some(end) => find(here, end),
                None => here.iter().skip(skip).position(|b| *b == b'<').map(|n| n + skip),
            };
            let upto = match (found, end) {
                (Some(n), _) => n,
                // The sign of the end may be half in memory.
                (None, Some(end)) if !self.ended => here.len().saturating_sub(end.len() - 1),
                (None, _) => here.len(),
            };
            let room = self.text_limit.saturating_sub(bytes.len());
            cut |= upto > room;
            bytes.extend_from_slice(&here[..upto.min(room)]);
            self.at += upto;
            if found.is_some() {
                self.at += end.map_or(0, <[u8]>::len);
                break;
            }
            let left = self.buf.len() - self.at;
            if !self.have(left + 1) {
                if let Some(end) = end {
                    self.torn = true;
                    let rest = left.min(end.len() - 1);
                    bytes.extend_from_slice(&self.buf[self.at..self.at + rest]);
                    self.at = self.buf.len();
                }
                break;
            }
        }
        // The limit may have cut a character.
        let text = String::from_utf8_lossy(&bytes);
        let text = if end.is_some() { text.into_owned() } else { decode(&text) };
        Token::Text { text, cut }
    }

    /// `<name a="b">` or `</name>`; `None` if it is no tag. A tag that the end tears is none, and `torn` is set.
    fn tag(&mut self) -> Option<Token> {
        let closing = self.begins(b"</");
        let begin = 1 + usize::from(closing);
        if !self.have(begin + 1) {
            self.torn |= self.ended;
            self.at = self.buf.len();
            return None;
        }
        let first = self.buf[self.at + begin];
        if !(first.is_ascii_alphabetic() || first == b'_' || first >= 0x80) {
            return None;
        }
        let mut quote = None;
        let mut n = begin;
        loop {
            if !self.have(n + 1) {
                self.torn = true;
                self.at = self.buf.len();
                return None;
            }
            if n > TAG {
                return None;
            }
            let byte = self.buf[self.at + n];
            match (quote, byte) {
                (Some(open), _) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') if !closing && self.buf[self.at + n - 1] == b'=' => quote = Some(byte),
                (None, b'>') => break,
                // Another tag begins: this was none.
                (None, b'<') => return None,
                (None, _) => {}
            }
            n += 1;
        }
        let inside = String::from_utf8_lossy(&self.buf[self.at + begin..self.at + n]).into_owned();
        self.at += n + 1;
        let (inside, empty) =
            inside.trim_end().strip_suffix('/').map_or((inside.as_str(), false), |rest| (rest, true));
        let name_end = inside.find(|c: char| c.is_whitespace()).unwrap_or(inside.len());
        let name = inside[..name_end].to_owned();
        if closing {
            return Some(Token::Close { name });
        }
        Some(Token::Open { name, attributes: attributes(&inside[name_end..]), empty })
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn attributes(mut text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let name = name.split_whitespace().last().unwrap_or_default().to_owned();
        let rest = rest.trim_start();
        let (value, after) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest[1..].split_once(quote).unwrap_or((&rest[1..], "")),
            _ => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        if !name.is_empty() {
            out.push((name, decode(value)));
        }
        text = after;
    }
    out
}

/// Entities and character references; what is not known stays as it is.
fn decode(text: &str) -> String {
    html_escape::decode_html_entities(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> (Vec<Token>, bool) {
        let mut xml = Xml::new(text.as_bytes(), 100);
        let mut out = Vec::new();
        while let Some(token) = xml.next().unwrap() {
            out.push(token);
        }
        (out, xml.torn)
    }

    fn told(text: &str) -> String {
        let show = |token: Token| match token {
            Token::Open { name, attributes, empty } => {
                let attributes: String = attributes.iter().map(|(n, v)| format!(" {n}={v}")).collect();
                format!("[{name}{attributes}{}]", if empty { "/" } else { "" })
            }
            Token::Close { name } => format!("[/{name}]"),
            Token::Text { text, .. } => text,
        };
        tokens(text).0.into_iter().map(show).collect()
    }

    #[test]
    fn markup_is_read() {
        assert_eq!(
            told("<?xml version='1.0'?><!-- x > --><a b=\"1 > 0\" c='&amp;'>t<d/></a>"),
            "[a b=1 > 0 c=&]t[d/][/a]"
        );
        assert_eq!(told("<![CDATA[<p>a & b</p>]]>"), "<p>a & b</p>");
        assert_eq!(told("<g:link href=x.jpg />"), "[g:link href=x.jpg/]");
        assert_eq!(
            told("<!DOCTYPE a [<!ENTITY x \"boom\"> <!ENTITY y SYSTEM 'file:///etc/passwd'>]><a>&x;&y;</a>"),
            "[a]&x;&y;[/a]"
        );
    }

    #[test]
    fn what_a_strict_reader_refuses_is_text() {
        assert_eq!(told("<a>AT&T &nbsp;&eacute; size < 10 &#8364;</a>"), "[a]AT&T \u{a0}é size < 10 €[/a]");
        assert_eq!(told("<a>1 <b 2</a>"), "[a]1 <b 2[/a]");
        assert_eq!(told("</x><a>&lt;p&gt;</b>"), "[/x][a]<p>[/b]");
    }

    #[test]
    fn an_end_in_the_middle_is_noticed() {
        for text in ["<a><b>x</b><c", "<a><![CDATA[x", "<a><!-- x", "<a b=\"x"] {
            assert!(tokens(text).1, "{text}");
        }
        assert!(!tokens("<a>x</a>").1);
    }

    #[test]
    fn texts_are_bounded_while_they_are_read() {
        let (found, _) =
            tokens(&format!("<a>{}</a><b><![CDATA[{}]]></b>", "x".repeat(300_000), "y".repeat(300_000)));
        let texts: Vec<_> = found
            .iter()
            .filter_map(|t| if let Token::Text { text, cut } = t { Some((text.len(), *cut)) } else { None })
            .collect();
        assert_eq!(texts, [(100, true), (100, true)]);
        assert_eq!(found.len(), 6);
    }
}
