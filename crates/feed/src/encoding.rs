//! Bytes to UTF-8, whatever they were written in.
//!
//! The order: a byte order mark; a declaration (XML, HTML, the operator's), if the bytes decode without error and are not
//! UTF-8 after all; UTF-8; a guess. Nothing is decided before the first byte that is not ASCII: a feed whose first accent
//! stands in row 100,000 is decided there, by the bytes around it.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::io::{self, Read};

/// Bytes read at once.
const CHUNK: usize = 1 << 16;
/// Bytes that a decision looks at, from the first one that is not ASCII.
const WINDOW: usize = 256 << 10;

/// Reads any encoding and gives UTF-8.
pub(crate) struct Utf8<R> {
    raw: R,
    /// Read, not decoded.
    pending: Vec<u8>,
    /// Decoded, not given.
    out: Vec<u8>,
    at: usize,
    ended: bool,
    decoder: Option<Decoder>,
    pub(crate) encoding: Option<&'static Encoding>,
    /// As declared inside the feed.
    declared: Option<&'static Encoding>,
    /// As the operator says: not in doubt.
    told: Option<&'static Encoding>,
    language: Option<String>,
    started: bool,
    /// Some bytes were no text.
    pub(crate) undecodable: bool,
    failed: Option<io::Error>,
}

impl<R: Read> Utf8<R> {
    pub(crate) fn new(raw: R, told: Option<&'static Encoding>, language: Option<&str>) -> Self {
        Self {
            raw,
            pending: Vec::new(),
            out: Vec::new(),
            at: 0,
            ended: false,
            decoder: None,
            encoding: None,
            declared: None,
            told,
            language: language.map(|l| l.to_ascii_lowercase()),
            started: false,
            undecodable: false,
            failed: None,
        }
    }

    /// The declared encoding, if the true one is another.
    pub(crate) fn lied(&self) -> Option<(&'static str, &'static str)> {
        let (declared, true_one) = (self.declared?, self.encoding?);
        (declared != true_one).then(|| (declared.name(), true_one.name()))
    }

    fn pull(&mut self, wanted: usize) {
        while self.pending.len() < wanted && !self.ended {
            let before = self.pending.len();
            self.pending.resize(before + CHUNK, 0);
            match self.raw.read(&mut self.pending[before..]) {
                Ok(0) => {
                    self.pending.truncate(before);
                    self.ended = true;
                }
                Ok(n) => self.pending.truncate(before + n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => self.pending.truncate(before),
                Err(e) => {
                    // What came before is given first.
                    self.pending.truncate(before);
                    self.ended = true;
                    self.failed = Some(e);
                }
            }
        }
    }

    /// Makes some output, or leaves it empty at the end.
    fn produce(&mut self) {
        if !self.started {
            self.started = true;
            self.pull(4096);
            if let Some((encoding, mark)) = Encoding::for_bom(&self.pending) {
                self.pending.drain(..mark);
                self.settle(encoding);
            } else if let Some(encoding) = self.told {
                self.settle(encoding);
            } else if let Some(encoding) = wide(&self.pending) {
                self.settle(encoding);
            } else {
                self.declared = declaration(&self.pending);
            }
        }
        self.pull(1);
        if self.decoder.is_none() {
            let ascii = self.pending.iter().position(|b| !b.is_ascii()).unwrap_or(self.pending.len());
            // An escape begins the Japanese mail encoding, which looks like ASCII.
            if ascii > 0 {
                self.out.extend(self.pending.drain(..ascii));
                return;
            }
            if self.pending.is_empty() {
                return;
            }
            self.pull(WINDOW);
            let encoding = self.decide();
            self.settle(encoding);
        }
        let Some(decoder) = &mut self.decoder else { return };
        let last = self.ended;
        let mut text =
            String::with_capacity(decoder.max_utf8_buffer_length(self.pending.len()).unwrap_or(4 * CHUNK));
        let (result, read, bad) = decoder.decode_to_string(&self.pending, &mut text, last);
        debug_assert_eq!(result, CoderResult::InputEmpty);
        self.undecodable |= bad;
        self.pending.drain(..read);
        self.out.extend_from_slice(text.as_bytes());
        if last {
            self.pending.clear();
        }
    }

    fn settle(&mut self, encoding: &'static Encoding) {
        self.encoding = Some(encoding);
        self.decoder = Some(encoding.new_decoder_without_bom_handling());
    }

    fn decide(&self) -> &'static Encoding {
        let window = &self.pending[..];
        if clean(window, UTF_8, self.ended) {
            return UTF_8;
        }
        if let Some(declared) = self.declared
            && declared != UTF_8
            && clean(window, declared, self.ended)
        {
            return declared;
        }
        let top_level =
            self.language.as_deref().and_then(|language| match &language[..language.len().min(2)] {
                "ko" => Some("kr"),
                "ja" => Some("jp"),
                "zh" => Some("cn"),
                _ => None,
            });
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(window, self.ended);
        let guess = detector.guess(top_level.map(str::as_bytes), Utf8Detection::Deny);
        // A single bad byte in a UTF-8 feed is damage, not another encoding.
        let bad = |encoding: &'static Encoding| {
            encoding.decode_without_bom_handling(window).0.matches('\u{fffd}').count()
        };
        let high = window.iter().filter(|b| !b.is_ascii()).count();
        if bad(UTF_8) * 20 < high {
            UTF_8
        } else if bad(guess) == 0 {
            guess
        } else {
            [guess, WINDOWS_1252][usize::from(bad(guess) > high / 20)]
        }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() {
            self.out.clear();
            self.at = 0;
            if self.ended && self.pending.is_empty() && self.started {
                return self.failed.take().map_or(Ok(0), Err);
            }
            self.produce();
        }
        let n = into.len().min(self.out.len() - self.at);
        into[..n].copy_from_slice(&self.out[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Whether `bytes` are text in `encoding`; a character cut by the end of the window counts as whole unless it `ended`.
fn clean(bytes: &[u8], encoding: &'static Encoding, ended: bool) -> bool {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text =
        String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(4 * bytes.len()));
    !decoder.decode_to_string(bytes, &mut text, ended).2
}

/// UTF-16 without a mark: markup and latin letters have a zero beside them.
fn wide(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.len().min(512) / 2;
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).take(pairs).filter(|b| **b == 0).count();
    match (zeros(0), zeros(1)) {
        (even, odd) if pairs >= 4 && odd * 10 > pairs * 7 && even * 10 < pairs => Some(UTF_16LE),
        (even, odd) if pairs >= 4 && even * 10 > pairs * 7 && odd * 10 < pairs => Some(UTF_16BE),
        _ => None,
    }
}

/// `<?xml ... encoding="X"` or `<meta charset=X`; a declared UTF-16 is a lie, since its declaration could be read.
fn declaration(head: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&head[..head.len().min(1024)]).to_ascii_lowercase();
    let key = ["encoding", "charset"].into_iter().find_map(|key| Some((head.find(key)? + key.len(), key)))?;
    if !head.trim_start().starts_with('<') {
        return None;
    }
    let rest = head[key.0..].trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let label: String =
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c)).collect();
    Encoding::for_label(label.as_bytes()).filter(|e| *e != UTF_16LE && *e != UTF_16BE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{EUC_KR, GB18030, SHIFT_JIS};

    fn check(bytes: &[u8], language: Option<&str>, expected: &str, name: &str) {
        let mut reader = Utf8::new(bytes, None, language);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, expected, "{name}");
        assert_eq!(reader.encoding.map_or("ascii", |e| e.name()), name);
    }

    const KOREAN: &str = "상품번호\t상품명\n1\t여성 린넨 원피스 여름 신상품\n2\t가죽 운동화 남성용 검정색\n";
    const JAPANESE: &str =
        "商品番号\t商品名\n1\tリネンのワンピース、夏物です\n2\t革のスニーカー（黒）メンズ\n";
    const CHINESE: &str = "编号\t名称\n1\t亚麻连衣裙夏季新款女装\n2\t真皮运动鞋男士黑色\n";
    const GERMAN: &str = "id;name\n1;Kleid für den Sommer, grün, Größe 40\n2;Stiefel für Männer, weiß\n";

    #[test]
    fn encodings_are_known_by_their_bytes() {
        check(KOREAN.as_bytes(), None, KOREAN, "UTF-8");
        check(&[b"\xef\xbb\xbf", KOREAN.as_bytes()].concat(), None, KOREAN, "UTF-8");
        check(b"id,name\n1,x\n", None, "id,name\n1,x\n", "ascii");
        let wide = |big: bool, mark: bool| -> Vec<u8> {
            let units = mark.then_some(0xfeff).into_iter().chain(GERMAN.encode_utf16());
            units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        for (big, name) in [(false, "UTF-16LE"), (true, "UTF-16BE")] {
            check(&wide(big, true), None, GERMAN, name);
            check(&wide(big, false), None, GERMAN, name);
        }
        check(&EUC_KR.encode(KOREAN).0, None, KOREAN, "EUC-KR");
        check(&EUC_KR.encode(KOREAN).0, Some("ko"), KOREAN, "EUC-KR");
        check(&SHIFT_JIS.encode(JAPANESE).0, Some("ja"), JAPANESE, "Shift_JIS");
        check(&WINDOWS_1252.encode(GERMAN).0, None, GERMAN, "windows-1252");
        let mut text = String::new();
        Utf8::new(&GB18030.encode(CHINESE).0[..], None, Some("zh")).read_to_string(&mut text).unwrap();
        assert_eq!(text, CHINESE);
    }

    #[test]
    fn a_declaration_that_lies_is_not_believed() {
        let xml = |label: &str| format!("<?xml version=\"1.0\" encoding=\"{label}\"?><a>Größe 여성</a>");
        for label in ["ISO-8859-1", "euc-kr", "utf-16", "nonsense"] {
            check(xml(label).as_bytes(), None, &xml(label), "UTF-8");
        }
        let german = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>Größe für Männer, weiß und grün</a>";
        check(&WINDOWS_1252.encode(german).0, None, german, "windows-1252");
        let true_one = german.replace("UTF-8", "ISO-8859-1");
        check(&WINDOWS_1252.encode(&true_one).0, None, &true_one, "windows-1252");
    }

    #[test]
    fn the_decision_waits_for_the_first_foreign_byte() {
        let late = "1,plain text\n".repeat(100_000) + GERMAN;
        check(&WINDOWS_1252.encode(&late).0, None, &late, "windows-1252");
        let damaged = [KOREAN.repeat(50).as_bytes(), b"\xff", KOREAN.as_bytes()].concat();
        let mut reader = Utf8::new(&damaged[..], None, None);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert!(reader.undecodable && text.contains("여성") && text.contains('\u{fffd}'));
    }
}
