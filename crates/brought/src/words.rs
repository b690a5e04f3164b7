//! Words to the ids that a text tower reads.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rten_text::Tokenizer;
use rten_text::normalizers::{Normalizer, Unicode};
use serde_json::Value;

use crate::BroughtError;

/// Largest file: vocabularies of many languages have some 30 MB.
const MAX_BYTES: usize = 64 << 20;
/// Names under which vocabularies keep the filling of a short text.
const FILLING: [&str; 5] = ["<pad>", "[PAD]", "<|endoftext|>", "</s>", "!"];
/// Longest text that is read, in bytes: a query is a few words, and tokenizers are not all linear.
const MAX_TEXT: usize = 2000;
/// What stands for a space in vocabularies of pieces.
const SPACE: char = '\u{2581}';

/// A tokenizer (`tokenizer.json`) with the length that its tower reads.
pub struct Words {
    pieces: Pieces,
    length: usize,
    filling: i64,
    before: Vec<i64>,
    after: Vec<i64>,
}

enum Pieces {
    Merged(Merged),
    Likeliest(Unigram),
}

/// Byte pairs or word pieces. The crate's tokenizer stays in the thread that made it, so every thread that reads words
/// makes its own, once.
struct Merged {
    id: u64,
    json: String,
}

thread_local! {
    /// The one this thread used last.
    static USED: RefCell<Option<(u64, Tokenizer)>> = const { RefCell::new(None) };
}

impl Merged {
    fn read(json: String) -> Result<Self, BroughtError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let merged = Self { id: NEXT.fetch_add(1, Ordering::Relaxed), json };
        merged.split("")?;
        Ok(merged)
    }

    fn split(&self, text: &str) -> Result<Vec<i64>, BroughtError> {
        let bad = |what: String| BroughtError::Tokenizer(what);
        USED.with_borrow_mut(|used| {
            if used.as_ref().is_none_or(|(id, _)| *id != self.id) {
                let made = Tokenizer::from_json(&self.json).map_err(|e| bad(e.to_string()))?;
                *used = Some((self.id, made));
            }
            let Some((_, tokenizer)) = used else { return Ok(Vec::new()) };
            let found = tokenizer.encode(text, None).map_err(|e| bad(e.to_string()))?;
            Ok(found.token_ids().iter().map(|&id| i64::from(id)).collect())
        })
    }
}

impl Words {
    /// Reads a `tokenizer.json` of byte pairs (CLIP), word pieces or a unigram model (SigLIP); texts are cut and filled
    /// to `length` ids.
    ///
    /// # Errors
    /// Not a tokenizer, of another kind, or too large.
    pub fn read(json: &[u8], length: usize) -> Result<Self, BroughtError> {
        let bad = |what: String| BroughtError::Tokenizer(what);
        if json.len() > MAX_BYTES {
            return Err(bad(format!("it has {} bytes, more than {MAX_BYTES}", json.len())));
        }
        let text = std::str::from_utf8(json).map_err(|e| bad(e.to_string()))?;
        let told: Value = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        let ids = known_ids(&told);
        let pieces = if told.pointer("/model/type") == Some(&Value::from("Unigram")) {
            Pieces::Likeliest(Unigram::read(&told)?)
        } else {
            Pieces::Merged(Merged::read(with_defaults(told.clone()).to_string())?)
        };
        let filling = told.pointer("/padding/pad_id").and_then(Value::as_i64);
        let filling = filling.or_else(|| FILLING.iter().find_map(|name| ids.get(*name).copied()));
        // Word pieces are framed by the crate itself.
        let framed = told.pointer("/model/type") == Some(&Value::from("WordPiece"));
        let (before, after) = if framed { (Vec::new(), Vec::new()) } else { around(&told, &ids) };
        Ok(Self { pieces, length, filling: filling.unwrap_or(0), before, after })
    }

    /// The length that a `tokenizer.json` itself says.
    #[must_use]
    pub fn told_length(json: &[u8]) -> Option<usize> {
        let value: Value = serde_json::from_slice(json).ok()?;
        let fixed = value.pointer("/padding/strategy/Fixed").and_then(Value::as_u64);
        let cut = value.pointer("/truncation/max_length").and_then(Value::as_u64);
        fixed.or(cut).map(|n| n as usize).filter(|n| (1..=1024).contains(n))
    }

    /// Ids and mask (1: a word, 0: filling), both `length` long. What ends a text stays when it is cut.
    ///
    /// # Errors
    /// A text that is too long or that the tokenizer cannot read.
    pub fn ids(&self, text: &str) -> Result<(Vec<i64>, Vec<i64>), BroughtError> {
        let bad = |what: String| BroughtError::Tokenizer(what);
        if text.len() > MAX_TEXT {
            return Err(bad(format!("the text has {} bytes, at most {MAX_TEXT} are read", text.len())));
        }
        let mut ids = self.before.clone();
        match &self.pieces {
            Pieces::Merged(merged) => ids.extend(merged.split(text)?),
            Pieces::Likeliest(unigram) => ids.extend(unigram.split(text)),
        }
        ids.truncate(self.length.saturating_sub(self.after.len()));
        ids.extend(&self.after);
        ids.truncate(self.length);
        let mut mask = vec![1; ids.len()];
        ids.resize(self.length, self.filling);
        mask.resize(self.length, 0);
        Ok((ids, mask))
    }
}

/// Ids of the special tokens, and of a vocabulary's words.
fn known_ids(told: &Value) -> HashMap<String, i64> {
    let mut ids = HashMap::new();
    for name in FILLING {
        if let Some(id) = told.pointer("/model/vocab").and_then(|v| v.get(name)).and_then(Value::as_i64) {
            ids.insert(name.to_owned(), id);
        }
    }
    for token in told.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
        if let (Some(name), Some(id)) =
            (token.get("content").and_then(Value::as_str), token.get("id").and_then(Value::as_i64))
        {
            ids.insert(name.to_owned(), id);
        }
    }
    ids
}

/// What a tokenizer puts before and after a text.
fn around(told: &Value, ids: &HashMap<String, i64>) -> (Vec<i64>, Vec<i64>) {
    let Some(processor) = told.get("post_processor") else { return Default::default() };
    let pair = |name: &str| processor.get(name).and_then(|pair| pair.get(1)).and_then(Value::as_i64);
    if let (Some(first), Some(last)) = (pair("cls"), pair("sep")) {
        return (vec![first], vec![last]);
    }
    let (mut before, mut after, mut passed) = (Vec::new(), Vec::new(), false);
    for part in processor.get("single").and_then(Value::as_array).into_iter().flatten() {
        passed |= part.get("Sequence").is_some();
        let name = part.pointer("/SpecialToken/id").and_then(Value::as_str);
        let told =
            name.and_then(|name| processor.get("special_tokens")?.get(name)?.pointer("/ids/0")?.as_i64());
        let id = told.or_else(|| ids.get(name?).copied());
        (if passed { &mut after } else { &mut before }).extend(id);
    }
    (before, after)
}

/// Members that older files leave out, as their library takes them then.
fn with_defaults(mut told: Value) -> Value {
    if let Some(model) = told.get_mut("model").and_then(Value::as_object_mut) {
        model.entry("ignore_merges").or_insert(Value::from(false));
    }
    if let Some(first) = told.get_mut("pre_tokenizer") {
        with_regex(first);
    }
    told
}

fn with_regex(pre_tokenizer: &mut Value) {
    if pre_tokenizer.get("type") == Some(&Value::from("ByteLevel"))
        && let Some(members) = pre_tokenizer.as_object_mut()
    {
        members.entry("use_regex").or_insert(Value::from(true));
    }
    if let Some(inner) = pre_tokenizer.get_mut("pretokenizers").and_then(Value::as_array_mut) {
        inner.iter_mut().for_each(with_regex);
    }
}

/// The likeliest division into pieces (Kudo 2018), found by dynamic programming.
struct Unigram {
    /// Id and log probability.
    pieces: HashMap<String, (i64, f64)>,
    longest: usize,
    unknown: (i64, f64),
    lowercase: bool,
    compose: bool,
}

/// How much less likely than any piece an unknown letter is, as the library of these models has it.
const UNKNOWN_PENALTY: f64 = 10.0;

impl Unigram {
    fn read(told: &Value) -> Result<Self, BroughtError> {
        let bad = |what: &str| BroughtError::Tokenizer(what.into());
        let list = told.pointer("/model/vocab").and_then(Value::as_array);
        let list = list.ok_or_else(|| bad("a unigram model without a list of pieces"))?;
        let mut pieces = HashMap::with_capacity(list.len());
        let (mut longest, mut least) = (1, 0.0f64);
        for (id, piece) in list.iter().enumerate() {
            let (Some(text), Some(score)) =
                (piece.get(0).and_then(Value::as_str), piece.get(1).and_then(Value::as_f64))
            else {
                return Err(bad("a piece is no pair of text and score"));
            };
            longest = longest.max(text.chars().count());
            least = least.min(score);
            pieces.insert(text.to_owned(), (id as i64, score));
        }
        let unknown = told.pointer("/model/unk_id").and_then(Value::as_i64).unwrap_or(0);
        let normalizer = told.get("normalizer").map(Value::to_string).unwrap_or_default();
        Ok(Self {
            pieces,
            longest,
            unknown: (unknown, least - UNKNOWN_PENALTY),
            lowercase: normalizer.contains("\"Lowercase\""),
            compose: normalizer.contains("\"Precompiled\"") || normalizer.contains("\"NFKC\""),
        })
    }

    fn split(&self, text: &str) -> Vec<i64> {
        let composed =
            if self.compose { Unicode::Nfkc.normalize(text).ok().map(|(text, _)| text) } else { None };
        let text = composed.as_deref().unwrap_or(text);
        let text = if self.lowercase { text.to_lowercase() } else { text.to_owned() };
        let letters: Vec<char> =
            text.split_whitespace().flat_map(|word| std::iter::once(SPACE).chain(word.chars())).collect();
        // Best score of the first letters, with the start and id of its last piece.
        let mut best = vec![(0.0, 0, 0)];
        for end in 1..=letters.len() {
            let (id, score) = self.unknown;
            let mut top = (best[end - 1].0 + score, end - 1, id);
            let mut piece = String::new();
            for start in (end.saturating_sub(self.longest)..end).rev() {
                piece.clear();
                piece.extend(&letters[start..end]);
                if let Some(&(id, score)) = self.pieces.get(&piece)
                    && best[start].0 + score > top.0
                {
                    top = (best[start].0 + score, start, id);
                }
            }
            best.push(top);
        }
        let (mut ids, mut at) = (Vec::new(), letters.len());
        while at > 0 {
            let (_, start, id) = best[at];
            // Unknown letters in a row are one unknown piece.
            if id != self.unknown.0 || ids.last() != Some(&id) {
                ids.push(id);
            }
            at = start;
        }
        ids.reverse();
        ids
    }
}
