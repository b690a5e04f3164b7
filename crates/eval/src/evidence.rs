//! Is the evidence honest? What is drawn as matched on a catalogue picture is painted over: the score must fall,
//! and further than when equal pieces at random places are painted over.
use crate::interval::{Clusters, Figure, RESAMPLES};
use crate::{EvalError, Models, Progress, Watch};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use twinset_embed::Embedded;
use twinset_local::{
    Comparison, Evidence, Fusion, LocalFeatures, MAX_TOKENS, STORED_TOKENS, compare, palette_distance,
    pattern_agreement,
};
use twinset_nets::NetError;
use twinset_photo::{Photo, Rect};
use twinset_synth::{DrawnPicture, DrawnSet, Twins};

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Pairs of a photo and its product's picture with anything drawn.
    pub pairs: usize,
    /// Pairs with nothing drawn, left out.
    pub without_parts: usize,
    /// Share of pairs whose score falls when the drawn parts are painted over.
    pub falls: Figure,
    /// Share of pairs whose score falls further than with equal pieces at random places.
    pub falls_further_than_random: Figure,
    /// Mean fall of the log odds: drawn parts, random pieces.
    pub mean_fall: [Figure; 2],
    /// Mean share of the garment's crop that is painted over.
    pub painted: Figure,
}

/// One pair.
struct Case {
    product: u64,
    /// Log odds: as it is, drawn parts painted over, random pieces painted over.
    odds: [f64; 3],
    painted: f64,
}

/// Measures on drawn near twins, each photo against its own product's picture.
///
/// # Errors
/// Nothing was drawn on any pair.
pub fn run(set: Twins, fusion: &Fusion, models: &Models, watch: Watch<'_>) -> Result<Report, EvalError> {
    let done = AtomicU64::new(0);
    let cases = (0..set.products())
        .into_par_iter()
        .map(|product| {
            let Some(shown) = set.shown(product) else { return Ok(Vec::new()) };
            let rect = models.look(&shown.photo)?.rect(&shown.photo);
            let asked = set.asked(product).into_iter();
            let of =
                |a: DrawnPicture| case(product, [(&a.photo, a.rect), (&shown.photo, rect)], fusion, models);
            let found = asked.map(of).collect::<Result<Vec<Option<Case>>, NetError>>()?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            watch(Progress { stage: "painting over", done, total: set.products() });
            Ok(found)
        })
        .collect::<Result<Vec<_>, NetError>>()?;
    let all: Vec<Option<Case>> = cases.into_iter().flatten().collect();
    let cases: Vec<&Case> = all.iter().flatten().collect();
    let clusters = Clusters::new(cases.iter().map(|c| c.product), RESAMPLES, 1);
    let mean = |of: &dyn Fn(&Case) -> f64| {
        clusters
            .mean(&cases.iter().map(|c| of(c)).collect::<Vec<_>>())
            .ok_or_else(|| EvalError::Nothing("no pair has anything drawn".to_owned()))
    };
    let yes = |holds: bool| f64::from(u8::from(holds));
    Ok(Report {
        pairs: cases.len(),
        without_parts: all.len() - cases.len(),
        falls: mean(&|c| yes(c.odds[1] < c.odds[0]))?,
        falls_further_than_random: mean(&|c| yes(c.odds[1] < c.odds[2]))?,
        mean_fall: [mean(&|c| c.odds[0] - c.odds[1])?, mean(&|c| c.odds[0] - c.odds[2])?],
        painted: mean(&|c| c.painted)?,
    })
}

fn case(
    product: u64,
    sides: [(&Photo, Rect); 2],
    fusion: &Fusion,
    models: &Models,
) -> Result<Option<Case>, NetError> {
    let [(photo, rect), (shown, shown_rect)] = sides;
    let query = models.embedder.embed(photo, rect)?;
    let tokens = |seen: &Embedded, rect, keep| {
        LocalFeatures::extract_inside(&seen.map, models.embedder.inside(rect), keep)
    };
    let judge = |picture: &Photo| -> Result<_, NetError> {
        let seen = models.embedder.embed(picture, shown_rect)?;
        let tokens = [tokens(&query, rect, MAX_TOKENS), tokens(&seen, shown_rect, STORED_TOKENS)];
        let (comparison, evidence) = judge(&query, &seen, &tokens);
        Ok((comparison, f64::from(fusion.log_odds(&evidence))))
    };
    let (comparison, before) = judge(shown)?;
    let crop = models.embedder.square(shown_rect);
    let parts: Vec<Rect> = comparison.parts.iter().map(|p| p.hit).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(product);
    let moved: Vec<Rect> = parts
        .iter()
        .map(|p| Rect {
            x: rng.random_range(0.0..=(1.0 - p.w).max(0.0)),
            y: rng.random_range(0.0..=(1.0 - p.h).max(0.0)),
            ..*p
        })
        .collect();
    let after = |rects: &[Rect]| judge(&painted_over(shown, crop, rects)).map(|(_, odds)| odds);
    Ok(Some(Case {
        product,
        odds: [before, after(&parts)?, after(&moved)?],
        painted: f64::from(parts.iter().map(Rect::area).sum::<f32>().min(1.0)),
    }))
}

fn judge(query: &Embedded, hit: &Embedded, tokens: &[LocalFeatures; 2]) -> (Comparison, Evidence) {
    let comparison = compare(&tokens[0], &tokens[1]);
    let (ours, theirs) = (&query.attributes, &hit.attributes);
    let evidence = Evidence {
        global: query.embedding.iter().zip(&hit.embedding).map(|(a, b)| a * b).sum(),
        measures: comparison.measures,
        palette: palette_distance(&ours.colour, &theirs.colour),
        pattern: pattern_agreement(ours.pattern.as_deref(), theirs.pattern.as_deref()),
    };
    (comparison, evidence)
}

/// `photo` with grey over `rects`, which are in 0..=1 of `crop`.
fn painted_over(photo: &Photo, crop: Rect, rects: &[Rect]) -> Photo {
    let width = photo.width() as usize;
    let mut rgb = photo.rgb().to_vec();
    for rect in rects {
        let rect = rect.scale(crop.w, crop.h);
        let rect = Rect { x: crop.x + rect.x, y: crop.y + rect.y, ..rect };
        let rect = rect.clamp_to(photo.width() as f32, photo.height() as f32);
        for y in rect.y as usize..rect.y1().ceil() as usize {
            let row = (y * width + rect.x as usize) * 3..(y * width + rect.x1().ceil() as usize) * 3;
            rgb.get_mut(row).into_iter().for_each(|pixels| pixels.fill(128));
        }
    }
    Photo::new(photo.width(), photo.height(), rgb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwatched;
    use twinset_nets::Package;

    #[test]
    fn painting_over_the_drawn_parts_lowers_the_score() {
        let models = Models::new(&Package::default_detector(), &Package::default_embedder()).unwrap();
        let set = Twins { families: 6, ..Twins::FROZEN };
        let report = run(set, &models.fusion(), &models, &unwatched).unwrap();
        assert!(report.pairs >= 20, "{report:?}");
        assert!(report.falls[0] >= 0.8 && report.mean_fall[0][0] > report.mean_fall[1][0], "{report:?}");
    }

    #[test]
    fn paint_stays_inside_the_photo() {
        let photo = Photo::new(10, 8, vec![7; 240]);
        let crop = Rect { x: -5.0, y: -6.0, w: 20.0, h: 20.0 };
        let whole = Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
        assert!(painted_over(&photo, crop, &[whole]).rgb().iter().all(|&b| b == 128));
        let corner = Rect { x: 0.0, y: 0.0, w: 0.1, h: 0.1 };
        assert_eq!(painted_over(&photo, crop, &[corner]), photo);
    }
}
