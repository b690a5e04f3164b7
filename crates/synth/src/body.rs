//! A simple person to dress: skin, hair, a pose; no face in particular.

use crate::colour::{self, Rgb};
use crate::cut::{Fill, Finish, Frame, Part, Pose};
use crate::outline::{Path, Pt, ellipse};
use crate::rng::Rng;

/// Skin from very light to very dark, evenly over the range people have.
const SKINS: [[u8; 3]; 10] = [
    [245, 217, 198],
    [236, 200, 176],
    [226, 184, 152],
    [212, 164, 128],
    [192, 140, 104],
    [168, 116, 82],
    [142, 94, 64],
    [114, 74, 52],
    [88, 58, 44],
    [66, 44, 36],
];

const HAIRS: [[u8; 3]; 9] = [
    [24, 20, 20],
    [40, 28, 24],
    [66, 44, 32],
    [98, 64, 40],
    [142, 98, 58],
    [196, 156, 98],
    [150, 66, 36],
    [150, 148, 146],
    [222, 216, 206],
];

/// A person's looks and pose.
pub(crate) struct Person {
    skin: Rgb,
    hair: Rgb,
    style: usize,
    pub pose: Pose,
}

impl Person {
    pub(crate) fn sample(rng: &mut Rng) -> Person {
        let skin = rng.below(SKINS.len());
        // Light hair on light skin mostly, as it is; any hair may be dyed.
        let hairs = if skin > 4 && !rng.chance(0.15) { 3 } else { HAIRS.len() };
        Person {
            skin: colour::srgb(SKINS[skin]),
            hair: colour::srgb(HAIRS[rng.below(hairs)]),
            style: rng.below(5),
            pose: Pose::sample(crate::draw::ViewKind::Worn, rng),
        }
    }

    fn skin(&self, outline: Vec<Pt>, round: f32) -> Part {
        Part { round, shadow: 0.006, ..Part::new(outline, Fill::Plain(self.skin, Finish::Dull)) }
    }

    fn tress(&self, outline: Vec<Pt>) -> Part {
        Part {
            round: 0.025,
            shadow: 0.008,
            frame: Frame::BODY,
            ..Part::new(outline, Fill::Plain(self.hair, Finish::Hair))
        }
    }

    /// What garments lie on.
    pub(crate) fn behind(&self) -> Vec<Part> {
        let mut out = Vec::new();
        match self.style {
            0 => out.push(
                self.tress(
                    Path::new()
                        .s(0.0, -0.325)
                        .s(0.1, -0.27)
                        .s(0.125, -0.1)
                        .s(0.14, 0.1)
                        .s(0.06, 0.14)
                        .mirrored()
                        .closed(),
                ),
            ),
            1 => out.push(self.tress(
                Path::new().s(0.0, -0.325).s(0.105, -0.27).s(0.12, -0.15).s(0.1, -0.06).mirrored().closed(),
            )),
            3 => out.push(self.tress(ellipse(0.0, -0.23, 0.145, 0.135))),
            _ => {}
        }
        let p = &self.pose;
        for side in [1.0f32, -1.0] {
            let flip =
                |points: Vec<Pt>| -> Vec<Pt> { points.into_iter().map(|q| [q[0] * side, q[1]]).collect() };
            let a = 0.105 * 0.86 + (p.stance * 0.9 - 0.02);
            let leg = Path::new()
                .k(0.0, 0.62)
                .s(0.185, 0.6)
                .s(0.16, 0.85)
                .s(a * 0.55 + 0.115, 1.06)
                .s(a * 0.75 + 0.095, 1.2)
                .s(a + 0.034, 1.46)
                .k(a + 0.036, 1.51)
                .k(a - 0.036, 1.51)
                .s(a - 0.03, 1.44)
                .s(a * 0.75 - 0.03, 1.2)
                .s(a * 0.55 - 0.02, 1.04)
                .s(0.01, 0.78)
                .closed();
            out.push(self.skin(flip(leg), 0.04));
            let foot = Path::new()
                .s(a - 0.036, 1.49)
                .s(a - 0.04, 1.535)
                .s(a + 0.006, 1.562)
                .s(a + 0.046, 1.545)
                .s(a + 0.036, 1.49)
                .closed();
            out.push(self.skin(flip(foot), 0.02));
            // The arm hangs from the shoulder, hand at its end.
            let (u, v) = (p.arm, p.arm + p.elbow);
            let root = [0.165, 0.085];
            let elbow = [root[0] + 0.29 * u.sin(), root[1] + 0.29 * u.cos()];
            let wrist = [elbow[0] + 0.26 * v.sin(), elbow[1] + 0.26 * v.cos()];
            let tip = [wrist[0] + 0.15 * v.sin(), wrist[1] + 0.15 * v.cos()];
            let at = |c: Pt, a: f32, w: f32| [c[0] + w * a.cos(), c[1] - w * a.sin()];
            let [o0, o1, o2, o3] = [
                at(root, u, 0.046),
                at(elbow, u, 0.037),
                at(wrist, v, 0.025),
                at(lerp(wrist, tip, 0.45), v, 0.034),
            ];
            let [i3, i2, i1, i0] = [
                at(lerp(wrist, tip, 0.5), v, -0.036),
                at(wrist, v, -0.025),
                at(elbow, u, -0.037),
                at(root, u, -0.05),
            ];
            let arm = Path::new()
                .s(0.12, 0.04)
                .s(o0[0], o0[1] - 0.02)
                .s(o1[0], o1[1])
                .s(o2[0], o2[1])
                .s(o3[0], o3[1])
                .s(tip[0], tip[1])
                .s(i3[0], i3[1])
                .s(i2[0], i2[1])
                .s(i1[0], i1[1])
                .s(i0[0], i0[1])
                .closed();
            out.push(self.skin(flip(arm), 0.03));
        }
        let trunk = Path::new()
            .k(0.045, -0.06)
            .s(0.06, 0.008)
            .s(0.165, 0.04)
            .s(0.188, 0.1)
            .s(0.165, 0.22)
            .s(0.142, 0.4)
            .s(0.182, 0.6)
            .k(0.15, 0.72)
            .s(0.0, 0.76)
            .mirrored()
            .s(0.0, -0.05)
            .closed();
        out.push(Part { shadow: 0.0, ..self.skin(trunk, 0.05) });
        out
    }

    /// Neck and head, over the necklines' backs but under collars of coats and scarves.
    pub(crate) fn head(&self) -> Vec<Part> {
        let neck =
            Path::new().k(0.045, -0.09).s(0.046, -0.02).s(0.062, 0.012).s(0.0, 0.045).mirrored().closed();
        let face = Path::new()
            .s(0.0, -0.315)
            .s(0.07, -0.285)
            .s(0.086, -0.2)
            .s(0.066, -0.115)
            .s(0.0, -0.068)
            .mirrored()
            .closed();
        let mut out = vec![Part { shadow: 0.0, ..self.skin(neck, 0.012) }];
        for x in [-0.086f32, 0.086] {
            out.push(self.skin(ellipse(x, -0.19, 0.014, 0.024), 0.008));
        }
        out.push(Part { shadow: 0.02, ..self.skin(face, 0.03) });
        let top = match self.style {
            0 => Path::new()
                .s(0.0, -0.33)
                .s(0.085, -0.3)
                .s(0.104, -0.2)
                .s(0.1, -0.1)
                .s(0.08, -0.18)
                .s(0.05, -0.262)
                .s(-0.02, -0.272)
                .s(-0.07, -0.22)
                .s(-0.088, -0.1)
                .s(-0.106, -0.2)
                .s(-0.085, -0.3),
            1 => Path::new()
                .s(0.0, -0.335)
                .s(0.09, -0.3)
                .s(0.106, -0.19)
                .s(0.088, -0.2)
                .s(0.07, -0.235)
                .s(0.0, -0.23)
                .s(-0.07, -0.235)
                .s(-0.088, -0.2)
                .s(-0.106, -0.19)
                .s(-0.09, -0.3),
            2 => Path::new()
                .s(0.0, -0.34)
                .s(0.08, -0.315)
                .s(0.096, -0.225)
                .s(0.082, -0.23)
                .s(0.06, -0.28)
                .s(-0.02, -0.27)
                .s(-0.07, -0.27)
                .s(-0.084, -0.22)
                .s(-0.096, -0.225)
                .s(-0.08, -0.315),
            3 => Path::new()
                .s(0.0, -0.345)
                .s(0.1, -0.31)
                .s(0.12, -0.22)
                .s(0.086, -0.22)
                .s(0.06, -0.268)
                .s(0.0, -0.28)
                .s(-0.06, -0.268)
                .s(-0.086, -0.22)
                .s(-0.12, -0.22)
                .s(-0.1, -0.31),
            _ => Path::new()
                .s(0.0, -0.335)
                .s(0.084, -0.3)
                .s(0.094, -0.215)
                .s(0.074, -0.25)
                .s(0.0, -0.29)
                .s(-0.074, -0.25)
                .s(-0.094, -0.215)
                .s(-0.084, -0.3),
        };
        if self.style == 4 {
            out.insert(0, self.tress(ellipse(0.0, -0.35, 0.045, 0.04)));
        }
        out.push(self.tress(top.closed()));
        out
    }
}

fn lerp(a: Pt, b: Pt, t: f32) -> Pt {
    crate::outline::lerp2(a, b, t)
}
