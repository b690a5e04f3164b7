//! Outlines in metres: corners and smooth points, mirrored halves, strokes with a width.

/// A point in metres; garments use body coordinates: the neck's base is the origin, y points down.
pub(crate) type Pt = [f32; 2];

/// A path written as points; smooth points are joined by cardinal splines, corners stay sharp.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path(Vec<(Pt, bool)>);

impl Path {
    pub(crate) fn new() -> Self {
        Self::default()
    }
    /// A corner.
    pub(crate) fn k(mut self, x: f32, y: f32) -> Self {
        self.0.push(([x, y], true));
        self
    }
    /// A smooth point.
    pub(crate) fn s(mut self, x: f32, y: f32) -> Self {
        self.0.push(([x, y], false));
        self
    }
    /// Adds the mirror image in x of all points so far, in reverse order.
    pub(crate) fn mirrored(mut self) -> Self {
        let other: Vec<_> = self
            .0
            .iter()
            .rev()
            .filter(|(p, _)| p[0].abs() > 1e-6)
            .map(|&(p, corner)| ([-p[0], p[1]], corner))
            .collect();
        self.0.extend(other);
        self
    }
    /// Closed outline as a polygon.
    pub(crate) fn closed(&self) -> Vec<Pt> {
        self.flatten(true)
    }
    /// Open line as points.
    pub(crate) fn open(&self) -> Vec<Pt> {
        self.flatten(false)
    }
    fn flatten(&self, closed: bool) -> Vec<Pt> {
        let n = self.0.len();
        let mut out = Vec::with_capacity(n * 8);
        let segments = if closed { n } else { n - 1 };
        for i in 0..segments {
            let (a, a_corner) = self.0[i];
            let (b, b_corner) = self.0[(i + 1) % n];
            let before = self.0[(i + n - 1) % n].0;
            let after = self.0[(i + 2) % n].0;
            let a_end = !closed && i == 0;
            let b_end = !closed && i + 1 == segments;
            if (a_corner || a_end) && (b_corner || b_end) {
                out.push(a);
                // Long straight edges get points too, so that a warp can bend them.
                let steps = (dist(a, b) / 0.06).ceil().clamp(1.0, 12.0) as usize;
                for s in 1..steps {
                    out.push(lerp2(a, b, s as f32 / steps as f32));
                }
                continue;
            }
            // Tangents scaled to the segment, so uneven spacing does not overshoot.
            let len = dist(a, b);
            let tangent = |p: Pt, q: Pt| {
                let d = dist(p, q).max(1e-6);
                [(q[0] - p[0]) / d * len, (q[1] - p[1]) / d * len]
            };
            let straight = [b[0] - a[0], b[1] - a[1]];
            let ta = if a_corner || a_end { straight } else { tangent(before, b) };
            let tb = if b_corner || b_end { straight } else { tangent(a, after) };
            let steps = (len / 0.012).ceil().clamp(3.0, 14.0) as usize;
            for s in 0..steps {
                let t = s as f32 / steps as f32;
                let (t2, t3) = (t * t, t * t * t);
                let (h0, h1) = (2.0 * t3 - 3.0 * t2 + 1.0, t3 - 2.0 * t2 + t);
                let (h2, h3) = (3.0 * t2 - 2.0 * t3, t3 - t2);
                out.push([
                    h0 * a[0] + h1 * ta[0] + h2 * b[0] + h3 * tb[0],
                    h0 * a[1] + h1 * ta[1] + h2 * b[1] + h3 * tb[1],
                ]);
            }
        }
        if !closed && n > 0 {
            out.push(self.0[n - 1].0);
        }
        out
    }
}

pub(crate) fn dist(a: Pt, b: Pt) -> f32 {
    ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt()
}

pub(crate) fn lerp2(a: Pt, b: Pt, t: f32) -> Pt {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]
}

/// The same points with x negated.
pub(crate) fn flip(points: &[Pt]) -> Vec<Pt> {
    points.iter().rev().map(|p| [-p[0], p[1]]).collect()
}

/// A band of `width` along `points` as one polygon per segment and joint, all turning the same way.
pub(crate) fn stroke(points: &[Pt], width: f32) -> Vec<Vec<Pt>> {
    let r = width * 0.5;
    let n = points.len();
    if n < 2 {
        return Vec::new();
    }
    // One polygon from both offset sides; mitres follow the mean direction at each point.
    let mut left = Vec::with_capacity(2 * n);
    let mut right = Vec::with_capacity(n);
    for i in 0..n {
        let (p, q) = (points[i.saturating_sub(1)], points[(i + 1).min(n - 1)]);
        let d = dist(p, q).max(1e-6);
        let normal = [-(q[1] - p[1]) / d * r, (q[0] - p[0]) / d * r];
        left.push([points[i][0] + normal[0], points[i][1] + normal[1]]);
        right.push([points[i][0] - normal[0], points[i][1] - normal[1]]);
    }
    left.extend(right.into_iter().rev());
    vec![left]
}

/// Short strokes along `points`: dashes of `dash` metres with equal gaps.
pub(crate) fn dashes(points: &[Pt], width: f32, dash: f32) -> Vec<Vec<Pt>> {
    let mut out = Vec::new();
    let mut along = 0.0;
    for pair in points.windows(2) {
        let len = dist(pair[0], pair[1]);
        let mut at = 0.0;
        while at < len {
            let phase = (along + at) % (2.0 * dash);
            let step = if phase < dash { dash - phase } else { 2.0 * dash - phase }.max(1e-4);
            let end = (at + step).min(len);
            if phase < dash && end - at > 1e-4 {
                out.extend(stroke(
                    &[lerp2(pair[0], pair[1], at / len), lerp2(pair[0], pair[1], end / len)],
                    width,
                ));
            }
            at = end;
        }
        along += len;
    }
    out
}

/// An ellipse.
pub(crate) fn ellipse(x: f32, y: f32, rx: f32, ry: f32) -> Vec<Pt> {
    let n = if rx.max(ry) < 0.012 { 12 } else { 40 };
    (0..n)
        .map(|i| {
            let a = i as f32 / n as f32 * std::f32::consts::TAU;
            [x + rx * a.cos(), y + ry * a.sin()]
        })
        .collect()
}

/// A rectangle with rounded corners.
pub(crate) fn rounded(x0: f32, y0: f32, x1: f32, y1: f32, r: f32) -> Vec<Pt> {
    let mut out = Vec::new();
    for (cx, cy, from) in
        [(x1 - r, y1 - r, 0.0), (x0 + r, y1 - r, 0.25), (x0 + r, y0 + r, 0.5), (x1 - r, y0 + r, 0.75)]
    {
        for i in 0..=5 {
            let a = (from + i as f32 / 20.0) * std::f32::consts::TAU;
            out.push([cx + r * a.cos(), cy + r * a.sin()]);
        }
    }
    out
}

/// `points` turned by `angle` about `pivot`.
pub(crate) fn turn(points: &[Pt], pivot: Pt, angle: f32) -> Vec<Pt> {
    let (s, c) = angle.sin_cos();
    points
        .iter()
        .map(|p| {
            let d = [p[0] - pivot[0], p[1] - pivot[1]];
            [pivot[0] + c * d[0] - s * d[1], pivot[1] + s * d[0] + c * d[1]]
        })
        .collect()
}
