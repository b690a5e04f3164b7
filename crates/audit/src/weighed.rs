//! Signs of one thing, weighed: log odds that are linear in the signs and in their products two by two (logistic
//! regression), with weights that `crates/eval/examples/blemish_weights.rs` learns from edits drawn on the training
//! splits of the public sets and on drawn pictures.

/// What was measured at one place, and where that is: `[x0, y0, x1, y1]` in pixels of the shrunk picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Signs<const N: usize> {
    /// Where.
    pub place: [f32; 4],
    /// The signs, each of the order of 1.
    pub signs: [f32; N],
}

impl<const N: usize> Signs<N> {
    /// The signs and their products two by two, as they are weighed.
    pub fn products(&self) -> impl Iterator<Item = f32> + '_ {
        let pairs = (0..N).flat_map(move |i| (i..N).map(move |j| self.signs[i] * self.signs[j]));
        self.signs.iter().copied().chain(pairs)
    }

    /// `weights`: one each of [`Self::products`], and the constant last.
    pub(crate) fn certainty(&self, weights: &[f32]) -> f32 {
        let (constant, weights) = weights.split_last().unwrap_or((&0.0, &[]));
        let odds: f32 = self.products().zip(weights).map(|(sign, weight)| sign * weight).sum();
        1.0 / (1.0 + (-odds - constant).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_weighed_in_order() {
        let signs = Signs { place: [0.0; 4], signs: [2.0, 3.0] };
        assert_eq!(signs.products().collect::<Vec<_>>(), [2.0, 3.0, 4.0, 6.0, 9.0]);
        // 2 - 3 + 6 - 4 = 1
        let certainty = signs.certainty(&[1.0, -1.0, 0.0, 1.0, 0.0, -4.0]);
        assert!((certainty - 1.0 / (1.0 + (-1.0f32).exp())).abs() < 1e-6);
    }
}
