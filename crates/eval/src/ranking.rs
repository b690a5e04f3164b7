//! From similarities to a ranked list of products, and what such a list is worth.
//!
//! A gallery *picture* shows an *entry* (a product, or a variant where variants are asked for), and each entry
//! carries the *id* that counts. An entry ranks by its best picture.

/// Whose picture each gallery picture is.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// For each picture its entry.
    pub(crate) entry_of: Vec<u32>,
    /// For each entry its id.
    pub(crate) id_of: Vec<u32>,
}

/// One entry of a ranked list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) entry: u32,
    /// Its best picture.
    pub(crate) picture: usize,
    pub(crate) score: f32,
}

/// What one ranked list is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Marks {
    /// Place of the right id among the different ids, from 1; `None` if it is not in the list.
    pub(crate) rank: Option<usize>,
    /// Mean of the precision at each entry of the right id.
    pub(crate) average_precision: f64,
    /// Share of the right id among the first ten entries.
    pub(crate) precision_at_10: f64,
}

impl Shelf {
    /// Entries by their best picture, best first, ties by the earlier picture. `NaN` hides a picture.
    pub(crate) fn rank(&self, scores: &[f32]) -> Vec<Place> {
        let mut best: Vec<Option<Place>> = vec![None; self.id_of.len()];
        for (picture, (&score, &entry)) in scores.iter().zip(&self.entry_of).enumerate() {
            let held = &mut best[entry as usize];
            if !score.is_nan() && held.is_none_or(|p| score > p.score) {
                *held = Some(Place { entry, picture, score });
            }
        }
        let mut places: Vec<Place> = best.into_iter().flatten().collect();
        places.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.picture.cmp(&b.picture)));
        places
    }

    /// What the list is worth to someone who looks for `wanted`.
    pub(crate) fn mark(&self, places: &[Place], wanted: u32) -> Marks {
        let ids = || places.iter().map(|p| self.id_of[p.entry as usize]);
        let rank = ids().any(|id| id == wanted).then(|| {
            ids().take_while(|&id| id != wanted).collect::<std::collections::HashSet<_>>().len() + 1
        });
        let (mut right, mut sum) = (0.0, 0.0);
        for (i, id) in ids().enumerate() {
            if id == wanted {
                right += 1.0;
                sum += right / (i + 1) as f64;
            }
        }
        let first_ten = ids().take(10).filter(|&id| id == wanted).count();
        Marks {
            rank,
            average_precision: if right > 0.0 { sum / right } else { 0.0 },
            precision_at_10: first_ten as f64 / 10.0,
        }
    }
}

/// Inner product.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six pictures of four entries; entries 0 and 3 carry id 7.
    fn shelf() -> Shelf {
        Shelf { entry_of: vec![0, 0, 1, 2, 3, 3], id_of: vec![7, 8, 9, 7] }
    }

    #[test]
    fn entries_rank_by_their_best_picture_and_hidden_ones_do_not_count() {
        let places = shelf().rank(&[0.1, 0.5, 0.9, 0.5, 0.2, f32::NAN]);
        let found: Vec<_> = places.iter().map(|p| (p.entry, p.picture)).collect();
        assert_eq!(found, [(1, 2), (0, 1), (2, 3), (3, 4)]);
        assert!(shelf().rank(&[f32::NAN; 6]).is_empty());
    }

    #[test]
    fn marks_of_a_list() {
        // Ids in order: 8, 7, 9, 7.
        let shelf = shelf();
        let places = shelf.rank(&[0.1, 0.5, 0.9, 0.4, 0.2, 0.1]);
        let marks = shelf.mark(&places, 7);
        assert_eq!(marks.rank, Some(2));
        assert!((marks.average_precision - (1.0 / 2.0 + 2.0 / 4.0) / 2.0).abs() < 1e-12);
        assert_eq!(marks.precision_at_10, 0.2);
        // The second entry of one id does not push the ids behind it further down.
        assert_eq!(shelf.mark(&shelf.rank(&[0.9, 0.0, 0.1, 0.3, 0.8, 0.0]), 9).rank, Some(2));
        assert_eq!(shelf.mark(&places, 4).rank, None);
    }
}
