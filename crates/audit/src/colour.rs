//! Colours as words claim them, in English, Korean, Chinese and Japanese, against what is seen of the garment.

use crate::judge::{Judged, Sample, judge};

/// The names that claims and palettes are compared by: the eleven basic terms (Berlin and Kay 1969) with beige and
/// navy, which shops use as if they were basic.
pub const NAMES: [&str; 13] = [
    "black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige",
    "navy",
];

/// Words by the name they mean. Latin ones are whole words, the others may stand anywhere in a text; the longer
/// word wins where two overlap (`dark blue`, 深蓝).
const WORDS: [(&str, &str); 13] = [
    ("black", "black onyx jet ebony 검정 검은 검정색 블랙 까만 黑 黑色 黒 ブラック"),
    (
        "white",
        "white ivory snow optic-white 흰 흰색 하얀 하양 화이트 아이보리 白 白色 象牙 象牙白 ホワイト アイボリー",
    ),
    (
        "grey",
        "grey gray silver charcoal slate graphite heather ash 회색 그레이 은색 실버 차콜 灰 灰色 银 银色 銀 銀色 グレー グレイ シルバー チャコール",
    ),
    (
        "red",
        "red crimson scarlet burgundy maroon ruby cherry wine bordeaux 빨강 빨간 빨간색 레드 와인 버건디 红 红色 紅 紅色 酒红 赤 赤色 レッド ワイン ボルドー",
    ),
    (
        "orange",
        "orange coral rust apricot tangerine copper terracotta 주황 주황색 오렌지 코랄 橙 橙色 橘 橘色 オレンジ コーラル",
    ),
    (
        "yellow",
        "yellow mustard gold golden lemon amber 노랑 노란 노란색 옐로우 옐로 머스타드 금색 골드 黄 黄色 黃 黃色 金 金色 イエロー マスタード ゴールド",
    ),
    (
        "green",
        "green olive khaki mint emerald lime sage teal moss forest 초록 초록색 녹색 그린 올리브 민트 绿 绿色 綠 綠色 緑 緑色 橄榄 グリーン オリーブ ミント カーキ 카키",
    ),
    (
        "blue",
        "blue denim azure cobalt turquoise cyan aqua sky indigo 파랑 파란 파란색 블루 하늘색 소라 蓝 蓝色 藍 藍色 青 青色 天蓝 ブルー 水色 スカイブルー",
    ),
    (
        "purple",
        "purple violet lilac lavender plum mauve eggplant 보라 보라색 퍼플 라벤더 紫 紫色 パープル ラベンダー",
    ),
    (
        "pink",
        "pink rose fuchsia magenta blush salmon peach 분홍 분홍색 핑크 粉 粉色 粉红 粉紅 桃红 ピンク 桃色 ローズ",
    ),
    (
        "brown",
        "brown chocolate coffee chestnut cognac mocha espresso caramel 갈색 브라운 밤색 초코 棕 棕色 褐 褐色 咖啡 茶色 ブラウン モカ",
    ),
    (
        "beige",
        "beige sand cream tan camel nude taupe ecru oatmeal khaki-beige stone latte 베이지 크림 카멜 米 米色 米白 驼色 駝色 杏色 ベージュ クリーム キャメル",
    ),
    (
        "navy",
        "navy navy-blue dark-blue midnight midnight-blue 남색 네이비 곤색 深蓝 深藍 藏青 海军蓝 紺 紺色 ネイビー",
    ),
];

/// Indices in [`NAMES`] of the colours that `text` names, each once, in the order of their first words.
#[must_use]
pub fn colour_names(text: &str) -> Vec<usize> {
    let text = text.to_lowercase();
    // Of each place where a word begins the longest; then from the left, none inside another.
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (name, (_, words)) in WORDS.iter().enumerate() {
        for word in words.split(' ') {
            let latin = word.is_ascii();
            let word = word.replace('-', " ");
            for (start, _) in text.match_indices(&word) {
                let end = start + word.len();
                let inside = |c: Option<char>| latin && c.is_some_and(|c| c.is_ascii_alphabetic());
                if !inside(text[..start].chars().next_back()) && !inside(text[end..].chars().next()) {
                    found.push((start, end, name));
                }
            }
        }
    }
    found.sort_by_key(|&(start, end, _)| (start, std::cmp::Reverse(end)));
    let mut names = Vec::new();
    let mut covered = 0;
    for (start, end, name) in found {
        if start >= covered {
            covered = end;
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// How often a thing that is rightly called `claimed` shows `seen` as its main colour, roughly: light and cloth move
/// a colour to its neighbours in Lab, and words are used widely. Rows sum to 1.
#[must_use]
pub fn affinity(claimed: usize, seen: usize) -> f32 {
    const NEAR: [(usize, usize, f32); 26] = [
        (0, 2, 0.20),
        (0, 12, 0.15),
        (0, 10, 0.08),
        (1, 2, 0.30),
        (1, 11, 0.15),
        (1, 7, 0.04),
        (2, 0, 0.12),
        (2, 1, 0.12),
        (2, 7, 0.08),
        (2, 11, 0.05),
        (3, 9, 0.08),
        (3, 10, 0.12),
        (4, 3, 0.18),
        (4, 10, 0.12),
        (5, 11, 0.12),
        (5, 4, 0.08),
        (6, 2, 0.10),
        (6, 10, 0.08),
        (7, 12, 0.18),
        (7, 2, 0.14),
        (8, 7, 0.10),
        (9, 11, 0.12),
        (10, 11, 0.12),
        (11, 2, 0.15),
        (12, 0, 0.22),
        (12, 7, 0.18),
    ];
    let near = |to: usize| NEAR.iter().find(|(c, s, _)| (*c, *s) == (claimed, to)).map_or(0.01, |n| n.2);
    let others: f32 = (0..NAMES.len()).filter(|&to| to != claimed).map(near).sum();
    if seen == claimed { 1.0 - others } else { near(seen) }
}

/// Colour claims that are wrong with this probability are doubted. Sellers call one colour by several names, which the
/// judge takes for errors: of 354 claims about training pictures of luma_catalogue, 15 % made wrong, 70 % of those doubted
/// from here on were wrong ones, from 0.5 on 59 %.
pub const DOUBTFUL: f32 = 0.85;
/// Part of the palette in what is compared; the rest is the embedding, which sees what a name is too coarse for.
const OF_PALETTE: f32 = 0.29;

/// What was seen of a garment of which one colour is claimed.
#[derive(Clone, Copy, Debug)]
pub struct ColourClaim<'a> {
    /// Shares of [`NAMES`] in the garment.
    pub shares: &'a [f32],
    /// Unit vector.
    pub embedding: &'a [f32],
    /// The claimed one of [`NAMES`].
    pub given: usize,
    /// Whose claim it is.
    pub owner: u64,
}

/// Judges colour claims, as [`judge`](crate::judge) does, by palettes and embeddings.
#[must_use]
pub fn judge_colours(claims: &[ColourClaim<'_>]) -> Vec<Judged> {
    let seen: Vec<Vec<f32>> = claims.iter().map(vector).collect();
    let told: Vec<Vec<f32>> = claims.iter().map(|claim| likely_names(claim.shares)).collect();
    let samples: Vec<Sample<'_>> = claims
        .iter()
        .zip(&seen)
        .zip(&told)
        .map(|((claim, seen), told)| Sample {
            embedding: seen,
            hints: told.clone(),
            told: told.clone(),
            given: claim.given,
            owner: claim.owner,
            title: "",
        })
        .collect();
    judge(&samples, NAMES.len())
}

/// Unit vector of the roots of the shares, whose products are Bhattacharyya's likeness of two palettes, and the embedding.
fn vector(claim: &ColourClaim<'_>) -> Vec<f32> {
    let sum = claim.shares.iter().sum::<f32>().max(1e-6);
    let palette = claim.shares.iter().map(|share| (share / sum).sqrt() * OF_PALETTE);
    let rest = (1.0 - OF_PALETTE * OF_PALETTE).sqrt();
    palette.chain(claim.embedding.iter().map(|x| x * rest)).collect()
}

/// Probability of each of [`NAMES`] as a claim about what shows these `shares` of them, by [`affinity`] alone.
#[must_use]
pub fn likely_names(shares: &[f32]) -> Vec<f32> {
    let sum = shares.iter().sum::<f32>().max(1e-6);
    let likely = |claimed: usize| {
        // The main colour counts most: a stripe of white makes no white shirt.
        let seen =
            shares.iter().enumerate().map(|(seen, share)| (share / sum).powi(2) * affinity(claimed, seen));
        seen.sum::<f32>()
    };
    let mut likely: Vec<f32> = (0..NAMES.len()).map(likely).collect();
    crate::neighbours::normalise(&mut likely);
    likely
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = colour_names(text).into_iter().map(|i| NAMES[i]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn four_languages_name_the_same_colours() {
        check("Red wool coat", &["red"]);
        check("빨간색 코트", &["red"]);
        check("红色大衣", &["red"]);
        check("赤いコート", &["red"]);
        check("Dark Blue / off white", &["navy", "white"]);
        check("深蓝色连衣裙", &["navy"]);
        check("네이비 블루 셔츠", &["navy", "blue"]);
        check("Charcoal", &["grey"]);
        // Words inside other words are no colours.
        check("Tanktop, Redwood, goldfish", &[]);
        check("", &[]);
    }

    #[test]
    fn affinities_are_shares() {
        for claimed in 0..NAMES.len() {
            let sum: f32 = (0..NAMES.len()).map(|seen| affinity(claimed, seen)).sum();
            assert!((sum - 1.0).abs() < 1e-5 && affinity(claimed, claimed) > 0.4);
        }
    }
}
