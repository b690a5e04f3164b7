//! What class do the words of a title claim?
//!
//! Multinomial naive Bayes over hashed words and their parts (three letters, or two signs where words are not
//! divided: Han, kana, Hangul), a linear classifier in closed form. What a group of products taught is taken out
//! again before one of them is asked, so that no title speaks of itself.

use crate::Classes;
use rayon::prelude::*;

/// Hashed features.
const CELLS: usize = 1 << 14;
/// Added to every count.
const SMOOTHING: f32 = 0.3;

/// For each title the probabilities of the classes as the other groups' titles use its words; `None` where it says
/// nothing. `labels`: one row of class shares each.
#[must_use]
pub fn title_classes(titles: &[&str], labels: &[Classes], groups: &[u64]) -> Vec<Option<Classes>> {
    let classes = labels.first().map_or(0, Vec::len);
    let parts: Vec<Vec<u32>> = titles.par_iter().map(|title| parts(title)).collect();
    let mut counts = vec![0.0f32; CELLS * classes];
    let mut members: std::collections::HashMap<u64, Vec<usize>> = std::collections::HashMap::new();
    for (i, label) in labels.iter().enumerate() {
        members.entry(groups[i]).or_default().push(i);
        add(&mut counts, &parts[i], label, 1.0);
    }
    let mut words = vec![0.0f32; classes];
    let mut things = vec![0.0f32; classes];
    for (i, label) in labels.iter().enumerate() {
        for (class, share) in label.iter().enumerate() {
            words[class] += share * parts[i].len() as f32;
            things[class] += share;
        }
    }
    (0..titles.len())
        .into_par_iter()
        .map(|i| {
            if parts[i].is_empty() {
                return None;
            }
            // What this group taught, by cell of this title and in all.
            let own = &members[&groups[i]];
            let mut odds = vec![0.0f32; classes];
            for (class, odds) in odds.iter_mut().enumerate() {
                let own_words: f32 = own.iter().map(|&o| labels[o][class] * parts[o].len() as f32).sum();
                let own_things: f32 = own.iter().map(|&o| labels[o][class]).sum();
                let all = (words[class] - own_words).max(0.0) + SMOOTHING * CELLS as f32 / 16.0;
                *odds = ((things[class] - own_things).max(0.0) + 1.0).ln();
                for &part in &parts[i] {
                    let own_count: f32 = own
                        .iter()
                        .map(|&o| labels[o][class] * parts[o].iter().filter(|p| **p == part).count() as f32)
                        .sum();
                    let count = (counts[part as usize * classes + class] - own_count).max(0.0);
                    // The parts of one word are one piece of evidence, not four.
                    *odds += ((count + SMOOTHING) / all).ln() / 3.0;
                }
            }
            crate::pool::softmax(&mut odds);
            Some(odds)
        })
        .collect()
}

fn add(counts: &mut [f32], parts: &[u32], label: &[f32], sign: f32) {
    for &part in parts {
        let cells = &mut counts[part as usize * label.len()..][..label.len()];
        cells.iter_mut().zip(label).for_each(|(count, share)| *count += sign * share);
    }
}

/// Hashed words and parts of words.
fn parts(title: &str) -> Vec<u32> {
    let lower = title.to_lowercase();
    let mut parts = Vec::new();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        parts.push(hash(word));
        let letters: Vec<char> = word.chars().collect();
        let undivided = letters.iter().any(|c| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'));
        let size = if undivided { 2 } else { 3 };
        if letters.len() > size {
            parts.extend(letters.windows(size).map(|w| hash(&w.iter().collect::<String>())));
        }
    }
    parts
}

/// FNV-1a.
fn hash(text: &str) -> u32 {
    let h = text.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    (h ^ h >> 15) % CELLS as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_others_tell_the_class_of_a_title() {
        let titles = [
            "blue summer dress",
            "red dress",
            "linen dress",
            "leather boots",
            "ankle boots",
            "snow boots",
            "드레스 여름",
            "원피스 드레스",
            "가죽 부츠",
            "앵클 부츠",
            "dress?",
        ];
        let class = [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1];
        let labels: Vec<Classes> =
            class.iter().map(|&c| (0..2).map(|k| f32::from(u8::from(k == c))).collect()).collect();
        let groups: Vec<u64> = (0..titles.len() as u64).collect();
        let told = title_classes(&titles, &labels, &groups);
        for i in 0..10 {
            let odds = told[i].as_ref().unwrap();
            assert!(odds[class[i]] > 0.5, "{} {odds:?}", titles[i]);
        }
        // The last one is called a boot by its seller, and only by its seller.
        assert!(told[10].as_ref().unwrap()[0] > 0.5);
        assert_eq!(title_classes(&["!"], &labels[..1], &[0]), [None]);
    }
}
