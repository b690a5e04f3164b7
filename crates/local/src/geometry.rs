//! Which matches agree on how one crop lies in the other.
//!
//! Every pair of matches proposes a similarity transform (scale, rotation, shift), of the crop as it
//! is and mirrored, and every match votes on every proposal: a Hough transform without the edges
//! of its bins. Cloth bends, so the tolerance is wide, and what one transform leaves over may be
//! explained by another.

/// A hit token and its partner in the query, places in 0..1 of each crop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match {
    pub(crate) query: [f32; 2],
    pub(crate) hit: [f32; 2],
    /// Cosine, 0..=1.
    pub(crate) similarity: f32,
}

/// How far a match may lie from where the transform puts it, in shares of the query's crop: about
/// a token and a half.
const TOLERANCE: f32 = 0.1;
/// Matches nearer than this say little about scale and rotation.
const LEAST_DISTANCE: f32 = 0.12;
/// Largest change of scale.
const MOST_SCALE: f32 = 3.0;
/// Fewest matches that make a transform; two always agree, and a third often does by chance.
const LEAST_SUPPORT: usize = 4;
/// Most transforms.
const MOST_TRANSFORMS: usize = 3;
/// Matches that propose; all of them vote.
const PROPOSERS: usize = 24;

/// Matches (by index) that agree on one transform.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) members: Vec<usize>,
    transform: Transform,
    mirrored: bool,
}

impl Group {
    /// Where a place in the hit's crop lies in the query's.
    pub(crate) fn in_query(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let x = if self.mirrored { 1.0 - x } else { x };
        let Transform { a, t } = self.transform;
        [a[0] * x - a[1] * y + t[0], a[0] * y + a[1] * x + t[1]]
    }
}

/// Groups of matches, each agreeing on one transform; largest support first. `matches` come best
/// first.
pub(crate) fn agreeing(matches: &[Match]) -> Vec<Group> {
    let mut free: Vec<usize> = (0..matches.len()).collect();
    let mut groups = Vec::new();
    while groups.len() < MOST_TRANSFORMS && free.len() >= LEAST_SUPPORT {
        let left: Vec<Match> = free.iter().map(|&i| matches[i]).collect();
        let Some(mut group) = best_group(&left) else { break };
        group.members.iter_mut().for_each(|i| *i = free[*i]);
        free.retain(|i| !group.members.contains(i));
        groups.push(group);
    }
    groups
}

/// The largest group that agrees on one transform, if it is large enough.
fn best_group(matches: &[Match]) -> Option<Group> {
    let mut best: Option<(f32, Group)> = None;
    for mirrored in [false, true] {
        let field = Field::new(matches, mirrored);
        let Some(proposal) = field.best_proposal() else { continue };
        let group = |transform: Transform| Group { members: field.inside(&transform), transform, mirrored };
        let proposed = group(proposal);
        // What the voters say together is better than what two of them said; keep the better.
        let refined = field.fit(&proposed.members).map(group);
        let group = refined.filter(|r| r.members.len() >= proposed.members.len()).unwrap_or(proposed);
        let support: f32 = group.members.iter().map(|&i| matches[i].similarity).sum();
        // A mirrored reading must be better, not equal.
        if group.members.len() >= LEAST_SUPPORT && best.as_ref().is_none_or(|(most, _)| support > *most) {
            best = Some((support, group));
        }
    }
    best.map(|(_, group)| group)
}

/// `query = a * hit + t` in complex numbers.
#[derive(Clone, Copy, Debug)]
struct Transform {
    a: [f32; 2],
    t: [f32; 2],
}

/// Matches as columns, so that the compiler can vote on many at once.
struct Field {
    hx: Vec<f32>,
    hy: Vec<f32>,
    qx: Vec<f32>,
    qy: Vec<f32>,
    weight: Vec<f32>,
}

impl Field {
    fn new(matches: &[Match], mirrored: bool) -> Self {
        let column = |f: &dyn Fn(&Match) -> f32| matches.iter().map(f).collect::<Vec<f32>>();
        Self {
            hx: column(&|m| if mirrored { 1.0 - m.hit[0] } else { m.hit[0] }),
            hy: column(&|m| m.hit[1]),
            qx: column(&|m| m.query[0]),
            qy: column(&|m| m.query[1]),
            weight: column(&|m| m.similarity),
        }
    }

    /// The transform of the pair with the largest support, weighed by how usual it is.
    fn best_proposal(&self) -> Option<Transform> {
        let mut best = None;
        let mut most = 0.0;
        for i in 0..self.hx.len().min(PROPOSERS) {
            for j in 0..i {
                let Some((transform, usual)) = self.propose(i, j) else { continue };
                let support = self.support(&transform) * usual;
                if support > most {
                    most = support;
                    best = Some(transform);
                }
            }
        }
        best
    }

    /// The transform that brings two hit tokens onto their partners, and how usual such a scale and
    /// rotation is between two photos of a garment, 0..=1.
    fn propose(&self, i: usize, j: usize) -> Option<(Transform, f32)> {
        let (hx, hy) = (self.hx[i] - self.hx[j], self.hy[i] - self.hy[j]);
        let (qx, qy) = (self.qx[i] - self.qx[j], self.qy[i] - self.qy[j]);
        let (h2, q2) = (hx * hx + hy * hy, qx * qx + qy * qy);
        let least = LEAST_DISTANCE * LEAST_DISTANCE;
        let scale2 = q2 / h2;
        let most = MOST_SCALE * MOST_SCALE;
        if h2 < least || q2 < least || !(1.0 / most..=most).contains(&scale2) {
            return None;
        }
        let a = [(qx * hx + qy * hy) / h2, (qy * hx - qx * hy) / h2];
        let t = [
            self.qx[j] - (a[0] * self.hx[j] - a[1] * self.hy[j]),
            self.qy[j] - (a[0] * self.hy[j] + a[1] * self.hx[j]),
        ];
        let larger = scale2.max(1.0 / scale2);
        let cosine = a[0] / scale2.sqrt();
        // 1 for the same size and upright; 0.85 at three times the size or upside down.
        let usual = 1.0 / (1.0 + 0.02 * (larger - 1.0) + 0.09 * (1.0 - cosine));
        Some((Transform { a, t }, usual))
    }

    fn tolerance2(transform: &Transform) -> f32 {
        let scale2 = transform.a[0] * transform.a[0] + transform.a[1] * transform.a[1];
        TOLERANCE * TOLERANCE * scale2.clamp(1.0, 4.0)
    }

    fn miss2(&self, t: &Transform, k: usize) -> f32 {
        let dx = t.a[0] * self.hx[k] - t.a[1] * self.hy[k] + t.t[0] - self.qx[k];
        let dy = t.a[0] * self.hy[k] + t.a[1] * self.hx[k] + t.t[1] - self.qy[k];
        dx * dx + dy * dy
    }

    fn support(&self, transform: &Transform) -> f32 {
        let tolerance2 = Self::tolerance2(transform);
        let vote = |k: usize| if self.miss2(transform, k) <= tolerance2 { self.weight[k] } else { 0.0 };
        // Four sums side by side: a fixed order that is still fast.
        let (n, mut sums) = (self.hx.len(), [0.0f32; 4]);
        for four in 0..n / 4 {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += vote(four * 4 + lane);
            }
        }
        sums.iter().sum::<f32>() + (n / 4 * 4..n).map(vote).sum::<f32>()
    }

    fn inside(&self, transform: &Transform) -> Vec<usize> {
        let tolerance2 = Self::tolerance2(transform);
        (0..self.hx.len()).filter(|&k| self.miss2(transform, k) <= tolerance2).collect()
    }

    /// Least squares over `members`, weighed by similarity.
    fn fit(&self, members: &[usize]) -> Option<Transform> {
        let mean = |column: &[f32], total: f32| {
            members.iter().map(|&k| column[k] * self.weight[k]).sum::<f32>() / total
        };
        let total: f32 = members.iter().map(|&k| self.weight[k]).sum();
        if total <= 0.0 {
            return None;
        }
        let (hx, hy) = (mean(&self.hx, total), mean(&self.hy, total));
        let (qx, qy) = (mean(&self.qx, total), mean(&self.qy, total));
        let (mut re, mut im, mut spread) = (0.0, 0.0, 0.0);
        for &k in members {
            let (w, dx, dy) = (self.weight[k], self.hx[k] - hx, self.hy[k] - hy);
            let (ex, ey) = (self.qx[k] - qx, self.qy[k] - qy);
            re += w * (ex * dx + ey * dy);
            im += w * (ey * dx - ex * dy);
            spread += w * (dx * dx + dy * dy);
        }
        if spread <= 1e-6 {
            return None;
        }
        let a = [re / spread, im / spread];
        Some(Transform { a, t: [qx - (a[0] * hx - a[1] * hy), qy - (a[0] * hy + a[1] * hx)] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scatter(count: usize, seed: u32) -> Vec<[f32; 2]> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let mut number = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / (1 << 24) as f32
        };
        (0..count).map(|_| [number(), number()]).collect()
    }

    fn matched(hits: &[[f32; 2]], place: impl Fn([f32; 2]) -> [f32; 2]) -> Vec<Match> {
        hits.iter().map(|&hit| Match { query: place(hit), hit, similarity: 0.9 }).collect()
    }

    #[test]
    fn one_transform_explains_a_moved_crop() {
        for angle in [0.0f32, 0.4, 1.6, 3.1] {
            for (scale, mirror) in [(0.5, 1.0), (1.0, -1.0), (1.7, 1.0)] {
                let (sin, cos) = (angle.sin() * scale, angle.cos() * scale);
                let place = |[x, y]: [f32; 2]| {
                    let (x, y) = (mirror * (x - 0.5), y - 0.5);
                    [0.4 + cos * x - sin * y, 0.55 + sin * x + cos * y]
                };
                let groups = agreeing(&matched(&scatter(30, 5), place));
                assert_eq!(groups.len(), 1, "{angle} {scale} {mirror}");
                assert_eq!(groups[0].members.len(), 30);
                let [x, y] = groups[0].in_query([0.3, 0.8]);
                let [u, v] = place([0.3, 0.8]);
                assert!((x - u).abs() < 0.05 && (y - v).abs() < 0.05);
            }
        }
    }

    #[test]
    fn two_parts_that_moved_apart_are_two_groups() {
        // A sleeve folded up: the left third is turned upside down, the rest is shifted a little.
        let hits = scatter(32, 9);
        let place = |[x, y]: [f32; 2]| if x < 0.4 { [0.9 - x, 0.8 - y] } else { [x * 0.7, y * 0.7 + 0.2] };
        let groups = agreeing(&matched(&hits, place));
        assert!(groups.len() >= 2, "{groups:?}");
        assert!(groups.iter().map(|g| g.members.len()).sum::<usize>() >= 28, "{groups:?}");
    }

    #[test]
    fn chance_makes_small_groups_only() {
        let (hits, queries) = (scatter(32, 1), scatter(32, 1_000));
        let matches: Vec<Match> =
            hits.iter().zip(&queries).map(|(&hit, &query)| Match { query, hit, similarity: 0.9 }).collect();
        assert!(agreeing(&matches).iter().all(|g| g.members.len() <= 11));
    }

    #[test]
    fn matches_on_one_spot_are_no_group() {
        let spot = vec![Match { query: [0.5; 2], hit: [0.5; 2], similarity: 1.0 }; 20];
        assert!(agreeing(&spot).is_empty());
    }
}
